import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { signDevice } from '../src/device-certificate.ts';
import { readCertificates, saveDevice, readCredential, verifyChain, type KeyAlgorithm } from '../src/index.ts';
import { readElement, readElements } from '../src/der.ts';
import { password, inTemporaryFolder } from './fixtures.ts';
import { createLine, deviceIds, issueIds, issueRequests, makeRequests } from './mass-source.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const now = new Date('2026-11-01T08:00:00.123Z');
const lineAlgorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048'];

/** What readCertificates says of a certificate. */
const details = [
  'certificatePem',
  'subject',
  'commonName',
  'issuer',
  'serialNumber',
  'notBefore',
  'notAfter',
  'thumbprintSha1',
  'thumbprintSha256',
] as const;

/** The fields of a TBSCertificate, in hexadecimal. */
function fieldsOf(certificateDer: Uint8Array): string[] {
  const [tbs] = readElements(certificateDer, readElement(certificateDer, 0)!)!;
  return readElements(certificateDer, tbs!)!.map(({ from, end }) =>
    Buffer.from(certificateDer.subarray(from, end)).toString('hex'),
  );
}

describe('certificates by template', () => {
  it.each(lineAlgorithms)(
    'are those of the ordinary path, octet for octet but for the serial number; line %s',
    async (algorithm) => {
      const line = await createLine(algorithm, now);
      const registrationIds = ['a', 'thermostat-1', 'x'.repeat(64)];
      const keys = await issueIds(registrationIds, { line, now: () => now });
      const signed = await issueRequests(await makeRequests(registrationIds), { line, now: () => now });
      for (const device of [...keys, ...signed]) {
        const certificate = new X509Certificate(device.certificateDer);
        const publicKeyDer = certificate.publicKey.export({ format: 'der', type: 'spki' });
        const ordinary = await signDevice(line, { registrationId: device.registrationId, publicKeyDer, now });
        const [version, serial, ...rest] = fieldsOf(device.certificateDer);
        const [ordinaryVersion, , ...ordinaryRest] = fieldsOf(new X509Certificate(ordinary.certificatePem).raw);
        expect([version, ...rest]).toEqual([ordinaryVersion, ...ordinaryRest]);
        expect(serial).toMatch(/^0214[0-7][0-9a-f]{39}$/);
        expect(certificate.verify(new X509Certificate(line.certificatePem).publicKey)).toBe(true);
        expect(
          await verifyChain({ chainPem: device.chainPem, registrationId: device.registrationId, now }),
        ).toMatchObject({ isValid: true });
      }
    },
  );

  it('say of themselves what readCertificates says of them', async () => {
    const line = await createLine('P-256', now);
    const [request] = await makeRequests(['device-9']);
    const devices = [
      ...(await issueIds(deviceIds(3), { line, now: () => now })),
      ...(await issueRequests([request!], { line, now: () => now })),
    ];
    for (const device of devices) {
      const said = Object.fromEntries(details.map((name) => [name, device[name]]));
      const [read, ...issuers] = readCertificates(device.chainPem);
      expect(said).toEqual(read);
      expect(issuers).toHaveLength(2);
      expect(fieldsOf(device.certificateDer).at(-1)).toContain(device.keyIdentifier);
    }
  });

  it('belong to their keys, leading zeros and all', async () => {
    // One private number in 256 begins with a zero octet, which node:crypto leaves out.
    const devices = await issueIds(deviceIds(3000), { line: await createLine() });
    const strangers = devices.filter(({ certificateDer, privateKeyDer, privateKeyPem }) => {
      const key = createPrivateKey({ key: Buffer.from(privateKeyDer), format: 'der', type: 'pkcs8' });
      const isItsOwn =
        new X509Certificate(certificateDer).checkPrivateKey(key) && createPrivateKey(privateKeyPem).equals(key);
      return !isItsOwn || !key.export({ format: 'der', type: 'pkcs8' }).equals(privateKeyDer);
    });
    expect(strangers).toEqual([]);
    expect(devices.filter(({ privateKeyDer }) => privateKeyDer[36] === 0)).not.toHaveLength(0);
    expect(new Set(devices.map(({ serialNumber }) => serialNumber)).size).toBe(3000);
    expect(new Set(devices.map(({ keyIdentifier }) => keyIdentifier)).size).toBe(3000);
  });

  it('can be saved and read back as any device can', async () => {
    const [device] = await issueIds(['device-1'], { line: await createLine() });
    await inTemporaryFolder(async (folder) => {
      const { pfxPath } = await saveDevice(device!, { folder, password });
      const read = await readCredential({ path: pfxPath, password });
      expect(read.chainPem).toBe(device!.chainPem);
      expect(createPrivateKey(read.privateKeyPem).equals(createPrivateKey(device!.privateKeyPem))).toBe(true);
    });
  });

  it('follow the ordinary path over names, validities and times (property)', async () => {
    const line = await createLine();
    const ids = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/);
    const lineEnd = line.notAfter.getTime();
    const times = fc.date({ min: line.notBefore, max: new Date(lineEnd - 1000), noInvalidDate: true });
    await fc.assert(
      fc.asyncProperty(ids, fc.integer({ min: 1, max: 20_000 }), times, async (registrationId, validityDays, time) => {
        const options = { validityDays, now: () => time };
        const [device] = await issueIds([registrationId], { line, ...options });
        const publicKeyDer = new X509Certificate(device!.certificateDer).publicKey.export({
          format: 'der',
          type: 'spki',
        });
        const ordinary = await signDevice(line, { registrationId, publicKeyDer, validityDays, now: time });
        const withoutSerial = (fields: string[]): string[] => fields.filter((_, index) => index !== 1);
        expect(withoutSerial(fieldsOf(device!.certificateDer))).toEqual(
          withoutSerial(fieldsOf(new X509Certificate(ordinary.certificatePem).raw)),
        );
        expect(device!.notAfter).toEqual(ordinary.notAfter);
      }),
      { numRuns: 60 },
    );
  });

  itSaysWhetherOpenSslIsThere();

  itWithOpenSsl('are verified by OpenSSL, and their keys checked', async () => {
    const line = await createLine();
    const keys = await issueIds(deviceIds(20), { line });
    const signed = await issueRequests(await makeRequests(deviceIds(5, 'request')), { line });
    await inTemporaryFolder(async (folder) => {
      const issuers = readCertificates(line.chainPem).map(({ certificatePem }) => certificatePem);
      await writeFile(join(folder, 'line.pem'), issuers[0]!);
      await writeFile(join(folder, 'root.pem'), issuers[1]!);
      for (const { registrationId, certificatePem } of [...keys, ...signed]) {
        await writeFile(join(folder, `${registrationId}.pem`), certificatePem);
      }
      const files = [...keys, ...signed].map(({ registrationId }) => join(folder, `${registrationId}.pem`));
      const options = [
        '-x509_strict',
        '-purpose',
        'sslclient',
        '-CAfile',
        join(folder, 'root.pem'),
        '-untrusted',
        join(folder, 'line.pem'),
      ];
      expect(openSsl(['verify', ...options, ...files]).match(/: OK/g)).toHaveLength(25);
      for (const { privateKeyPem } of keys) {
        expect(openSsl(['pkey', '-check', '-noout'], privateKeyPem)).toContain('Key is valid');
      }
    });
  });
});
