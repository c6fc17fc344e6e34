import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
// The build, since worker threads can't load TypeScript.
import {
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  issueMany,
  type CertificateAuthority,
  type RequestItem,
} from '@contoso/pki';

async function createLine(): Promise<CertificateAuthority> {
  return createLineAuthority(await createRootAuthority({ commonName: 'Root' }), { lineName: 'Line 1' });
}

describe('issueMany in worker threads', () => {
  it.each([1, 2, 3])('issues the same devices in the same order; %i threads', async (threads) => {
    const ids = Array.from({ length: 2050 }, (_, index) => `device-${index}`);
    const line = await createLine();
    const seen: string[] = [];
    const serials = new Set<string>();
    for await (const device of issueMany(ids, { line, threads, batchSize: 100 })) {
      seen.push(device.registrationId);
      serials.add(device.serialNumber);
      const key = createPrivateKey({ key: Buffer.from(device.privateKeyDer), format: 'der', type: 'pkcs8' });
      if (seen.length % 50 === 0) expect(new X509Certificate(device.certificateDer).checkPrivateKey(key)).toBe(true);
    }
    expect(seen).toEqual(ids);
    expect(serials.size).toBe(ids.length);
  });

  it('checks and signs requests there too', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ids = Array.from({ length: 120 }, (_, index) => `device-${index}`);
    const requests: RequestItem[] = await Promise.all(
      ids.map(async (registrationId) => ({ csr: await createDeviceRequest({ registrationId, key: privateKey }) })),
    );
    // Another device's signature: the worker finds it, and the ordinary path says so.
    requests[77] = { csr: altered(String(requests[77]!.csr)) };
    const refused: [number, string][] = [];
    const seen: string[] = [];
    const onRefused = ({ index, error }: { index: number; error: { code: string } }): void =>
      void refused.push([index, error.code]);
    const line = await createLine();
    for await (const device of issueMany(requests, { line, threads: 2, batchSize: 25, allow: 'any', onRefused })) {
      seen.push(device.registrationId);
      expect(
        new X509Certificate(device.certificateDer).verify(new X509Certificate(line.certificatePem).publicKey),
      ).toBe(true);
    }
    expect(seen).toEqual(ids.filter((id) => id !== 'device-77'));
    expect(refused).toEqual([[77, 'ERR_PKI_CSR_SIGNATURE']]);
  });

  it('lets its threads go when the consumer leaves early', async () => {
    const source = function* (): Generator<string> {
      for (let index = 0; ; index += 1) yield `device-${index}`;
    };
    let taken = 0;
    for await (const device of issueMany(source(), { line: await createLine(), threads: 2, batchSize: 10 })) {
      expect(device.registrationId).toBe(`device-${taken}`);
      taken += 1;
      if (taken === 25) break;
    }
    expect(taken).toBe(25);
  });
});

function altered(csrPem: string): string {
  const der = Buffer.from(csrPem.replace(/-----.*-----|\s/g, ''), 'base64');
  der[der.length - 1]! ^= 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}
