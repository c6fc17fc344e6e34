import { describe, expect, it } from '@jest/globals';
import {
  Extension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  BasicConstraintsExtension,
} from '../src/engine.ts';
import { verifyChain, type ChainProblemCode, type ChainVerificationOptions } from '../src/index.ts';
import { authorityExtensions, deviceExtensions } from '../src/profile.ts';
import { expectCode, makeCertificate, makeChain, toPem } from './fixtures.ts';

const now = new Date('2026-06-01T00:00:00Z');

/** Codes, in the order in which they are reported; messages are looked at where given. */
async function expectProblems(
  options: ChainVerificationOptions,
  expected: readonly (readonly [ChainProblemCode, ...string[]])[],
): Promise<void> {
  const { isValid, problems } = await verifyChain({ now, ...options });
  expect(problems.map(({ code }) => code)).toEqual(expected.map(([code]) => code));
  expect(isValid).toBe(expected.length === 0);
  for (const [index, [, ...words]] of expected.entries()) {
    for (const word of words) expect(problems[index]?.message).toContain(word);
  }
}

describe('a chain is right', () => {
  it('with its root, with its root elsewhere, and with everything asked for', async () => {
    const { root, line, device, chainPem } = await makeChain();
    await expectProblems({ chainPem }, []);
    await expectProblems({ chainPem: toPem(device, line), trustedRootsPem: toPem(root) }, []);
    await expectProblems({ chainPem, trustedRootsPem: toPem(root), registrationId: 'device-1' }, []);
  });

  it('up to a trusted intermediate, whatever follows', async () => {
    const { line, device, chainPem } = await makeChain({ root: { notAfter: '2026-02-01T00:00:00Z' } });
    await expectProblems({ chainPem: toPem(device, line), trustedRootsPem: toPem(line) }, []);
    await expectProblems({ chainPem, trustedRootsPem: toPem(line) }, []);
  });

  it('with gaps that the trusted certificates fill', async () => {
    const { root, line, device } = await makeChain();
    await expectProblems({ chainPem: toPem(device, root), trustedRootsPem: toPem(line) }, []);
    await expectProblems({ chainPem: toPem(device), trustedRootsPem: toPem(root, line) }, []);
  });

  it("as an authority's", async () => {
    const { root, line } = await makeChain();
    await expectProblems({ chainPem: toPem(line, root), purpose: 'authority' }, []);
    await expectProblems({ chainPem: toPem(root), purpose: 'authority' }, []);
  });

  it('as one self-signed device certificate', async () => {
    const device = await makeCertificate('device-1', { extensions: deviceExtensions() });
    await expectProblems({ chainPem: toPem(device), registrationId: 'device-1' }, []);
  });

  it('without key usages, which then allow everything', async () => {
    const { chainPem } = await makeChain({ device: { extensions: [] } });
    await expectProblems({ chainPem }, []);
  });
});

describe('a chain is wrong', () => {
  it('no PEM', async () => {
    await expectProblems({ chainPem: 'hello' }, [['CHAIN_UNREADABLE', 'BEGIN CERTIFICATE']]);
    const { chainPem } = await makeChain();
    await expectProblems({ chainPem: chainPem.slice(0, -40) }, [['CHAIN_UNREADABLE', 'cut off']]);
  });

  it('an extension that can not be decoded', async () => {
    const { chainPem } = await makeChain({
      device: { extensions: [new Extension('2.5.29.19', true, Uint8Array.of(4))] },
    });
    await expectProblems({ chainPem }, [['CHAIN_UNREADABLE', 'Certificate 1']]);
  });

  it('wrong order', async () => {
    const { root, line, device } = await makeChain();
    const order = ['CHAIN_ORDER', 'put them as "CN=device-1", "CN=Line", "CN=Root"'] as const;
    await expectProblems({ chainPem: toPem(root, line, device) }, [order]);
    await expectProblems({ chainPem: toPem(device, root, line) }, [order]);
  });

  it('intermediate missing', async () => {
    const { root, device } = await makeChain();
    const missing = [
      'CHAIN_ISSUER_MISSING',
      '"CN=device-1" was issued by "CN=Line", whose certificate is missing',
      'add it after "CN=device-1"',
    ] as const;
    await expectProblems({ chainPem: toPem(device, root) }, [missing]);
    await expectProblems({ chainPem: toPem(device), trustedRootsPem: toPem(root) }, [missing]);
    await expectProblems({ chainPem: toPem(root, device) }, [missing]);
  });

  it('a certificate too many', async () => {
    const { chainPem, root } = await makeChain();
    const stranger = await makeCertificate('Stranger');
    await expectProblems({ chainPem: chainPem + toPem(stranger) }, [['CHAIN_UNRELATED_CERTIFICATE', 'CN=Stranger']]);
    await expectProblems({ chainPem: chainPem + toPem(root) }, [['CHAIN_DUPLICATE', 'twice']]);
  });

  it('signed by another authority of the same name', async () => {
    const { device, root } = await makeChain();
    const impostor = await makeCertificate('Line', { issuer: root, extensions: authorityExtensions(0) });
    await expectProblems({ chainPem: toPem(device, impostor, root) }, [
      ['CHAIN_SIGNATURE', '"CN=device-1" was not signed by the key of the "CN=Line" in this chain'],
    ]);
  });

  it('altered after it was signed', async () => {
    const { line, root } = await makeChain();
    const good = await makeCertificate('device-7', { issuer: line, extensions: deviceExtensions() });
    const der = Buffer.from(good.certificate.rawData);
    der.set(Buffer.from('device-8'), der.indexOf('device-7'));
    const chainPem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n${toPem(line, root)}`;
    await expectProblems({ chainPem }, [['CHAIN_SIGNATURE', 'CN=device-8']]);
  });

  it('a root that another key signed', async () => {
    const real = await makeCertificate('Root');
    const { key } = await makeCertificate('Root');
    const forged = await makeCertificate('Root', { issuer: { certificate: real.certificate, key } });
    await expectProblems({ chainPem: toPem(forged), purpose: 'authority' }, [['CHAIN_SIGNATURE', 'CN=Root']]);
  });

  it.each(['root', 'line', 'device'] as const)('%s expired', async (which) => {
    const { chainPem } = await makeChain({ [which]: { notAfter: '2026-05-31T23:59:59Z' } });
    await expectProblems({ chainPem }, [
      ['CHAIN_EXPIRED', 'expired on 2026-05-31T23:59:59.000Z (now: 2026-06-01T00:00:00.000Z): issue a new one'],
    ]);
    await expectProblems({ chainPem, now: new Date('2026-05-31T00:00:00Z') }, []);
  });

  it('not yet valid', async () => {
    const { chainPem } = await makeChain({ device: { notBefore: '2026-06-02T00:00:00Z' } });
    await expectProblems({ chainPem }, [['CHAIN_NOT_YET_VALID', 'not valid before 2026-06-02', 'clock']]);
  });

  it('issued by what is no authority', async () => {
    const { chainPem } = await makeChain({ line: { extensions: deviceExtensions() } });
    await expectProblems({ chainPem }, [
      ['CHAIN_CA_FLAG', '"CN=Line" issues certificates but is no certificate authority'],
      ['CHAIN_KEY_USAGE', '"CN=Line" lacks keyCertSign'],
    ]);
  });

  it("an authority in the device's place", async () => {
    const { line, root } = await makeChain();
    await expectProblems({ chainPem: toPem(line, root) }, [
      ['CHAIN_CA_FLAG', "put the device's own certificate first"],
    ]);
  });

  it("a device in the authority's place", async () => {
    const { chainPem } = await makeChain();
    await expectProblems({ chainPem, purpose: 'authority' }, [
      ['CHAIN_CA_FLAG', 'CN=device-1'],
      ['CHAIN_KEY_USAGE', 'keyCertSign'],
    ]);
  });

  it('key usage of an authority', async () => {
    const line = [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.cRLSign, true)];
    const { chainPem } = await makeChain({ line: { extensions: line } });
    await expectProblems({ chainPem }, [['CHAIN_KEY_USAGE', '"CN=Line" lacks keyCertSign']]);
  });

  it('key usage of the device', async () => {
    const device = [new KeyUsagesExtension(KeyUsageFlags.keyAgreement, true)];
    const { chainPem } = await makeChain({ device: { extensions: device } });
    await expectProblems({ chainPem }, [['CHAIN_KEY_USAGE', '"CN=device-1" lacks digitalSignature']]);
  });

  it('extended key usage, of the device or above it', async () => {
    const serverOnly = new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]);
    const device = await makeChain({ device: { extensions: [serverOnly] } });
    await expectProblems({ chainPem: device.chainPem }, [
      ['CHAIN_EXTENDED_KEY_USAGE', '"CN=device-1" lacks clientAuth'],
    ]);
    const line = await makeChain({ line: { extensions: [...authorityExtensions(0), serverOnly] } });
    await expectProblems({ chainPem: line.chainPem }, [['CHAIN_EXTENDED_KEY_USAGE', '"CN=Line" lacks clientAuth']]);
  });

  it('path length', async () => {
    const root = await makeCertificate('Root', { extensions: authorityExtensions(0) });
    const line = await makeCertificate('Line', { issuer: root, extensions: authorityExtensions(0) });
    const device = await makeCertificate('device-1', { issuer: line, extensions: deviceExtensions() });
    const tooLong = ['CHAIN_PATH_LENGTH', '"CN=Root" allows 0 authorities below it and has 1'] as const;
    await expectProblems({ chainPem: toPem(device, line, root) }, [tooLong]);
    await expectProblems({ chainPem: toPem(line, root), purpose: 'authority' }, [tooLong]);
  });

  it('a critical extension that is not understood', async () => {
    const unknown = new Extension('1.2.3.4', true, Uint8Array.of(0x05, 0));
    const { chainPem } = await makeChain({ line: { extensions: [...authorityExtensions(0), unknown] } });
    await expectProblems({ chainPem }, [['CHAIN_CRITICAL_EXTENSION', '"CN=Line"', '1.2.3.4']]);
  });

  it('for another registration ID', async () => {
    const { chainPem } = await makeChain();
    await expectProblems({ chainPem, registrationId: 'device-2' }, [
      ['CHAIN_REGISTRATION_ID', 'is for "CN=device-1", expected the common name "device-2"'],
    ]);
  });

  it('a root that is not trusted, even of the same name', async () => {
    const { chainPem } = await makeChain();
    const other = await makeCertificate('Root');
    await expectProblems({ chainPem, trustedRootsPem: toPem(other) }, [['CHAIN_ROOT_UNTRUSTED', '"CN=Root"']]);
  });

  it('says everything at once', async () => {
    const { root, line, device } = await makeChain({ device: { notAfter: '2026-02-01T00:00:00Z' } });
    await expectProblems({ chainPem: toPem(root, line, device), registrationId: 'x' }, [
      ['CHAIN_ORDER'],
      ['CHAIN_EXPIRED'],
      ['CHAIN_REGISTRATION_ID'],
    ]);
  });

  it('throws for trusted roots that can not be read, since they are not the chain', async () => {
    const { chainPem } = await makeChain();
    await expectCode(verifyChain({ chainPem, trustedRootsPem: 'x' }), 'ERR_PKI_CERTIFICATE_UNREADABLE');
    await expect(verifyChain({ chainPem: 5 as unknown as string })).rejects.toThrow(TypeError);
  });
});
