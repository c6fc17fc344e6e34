import { describe, expect, it } from '@jest/globals';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { inspect } from 'node:util';
import {
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  isSoftwareKey,
  issueDeviceCertificate,
  readCertificates,
  thumbprints,
  verifyChain,
  type KeyAlgorithm,
} from '../src/index.ts';
import { parseCertificates } from '../src/certificate.ts';
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } from '../src/engine.ts';
import { createFactory, expectCode } from './fixtures.ts';

const now = new Date('2026-06-01T12:00:00Z');
const dayMs = 86_400_000;

describe('root authority', () => {
  it('has the CA profile of RFC 5280, both extensions critical', async () => {
    const root = await createRootAuthority({ commonName: 'Contoso Root CA', now });
    const [certificate] = parseCertificates(root.certificatePem);
    expect(certificate.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 1,
      critical: true,
    });
    expect(certificate.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
      critical: true,
    });
    expect(certificate.extensions.map(({ type }) => type)).toEqual([
      '2.5.29.19',
      '2.5.29.15',
      '2.5.29.14',
      '2.5.29.35',
    ]);
    expect(root).toMatchObject({ subject: 'CN=Contoso Root CA', issuer: 'CN=Contoso Root CA', keyAlgorithm: 'P-256' });
    expect(root.chainPem).toBe(root.certificatePem);
  });

  it('is valid from five minutes before now, for ten years unless told otherwise', async () => {
    const root = await createRootAuthority({ commonName: 'Root', now });
    expect(root.notBefore).toEqual(new Date('2026-06-01T11:55:00Z'));
    expect(root.notAfter).toEqual(new Date(now.getTime() + 3650 * dayMs));
    const short = await createRootAuthority({ commonName: 'Root', validityDays: 0.5, now });
    expect(short.notAfter).toEqual(new Date('2026-06-02T00:00:00Z'));
  });

  it('writes UTCTime up to 2049 and GeneralizedTime from 2050', async () => {
    const until = (date: string): Promise<{ certificatePem: string; notAfter: Date }> =>
      createRootAuthority({
        commonName: 'Root',
        validityDays: (Date.parse(date) - now.getTime()) / dayMs,
        now,
      });
    const early = await until('2049-12-31T23:59:59Z');
    const late = await until('2050-01-01T00:00:00Z');
    expect(derOf(early).includes(Buffer.from('491231235959Z'))).toBe(true);
    expect(derOf(early).includes(Buffer.from('20491231'))).toBe(false);
    expect(derOf(late).includes(Buffer.from('20500101000000Z'))).toBe(true);
    expect(late.notAfter).toEqual(new Date('2050-01-01T00:00:00Z'));
  });

  it('gives every certificate a new positive serial number of 20 octets', async () => {
    const root = await createRootAuthority({ commonName: 'Root', now });
    const proofs = await Promise.all(Array.from({ length: 40 }, () => createProofOfPossession(root, 'CODE', { now })));
    const serials = proofs.map(({ certificatePem }) => new NodeCertificate(certificatePem).serialNumber);
    expect(new Set(serials).size).toBe(40);
    for (const serial of serials) expect(serial).toMatch(/^[0-9A-F]{40}$/);
  });

  it.each(['', 'a'.repeat(65), ' padded', 'two\nlines'])('fail: common name %j', async (commonName) => {
    const error = await expectCode(createRootAuthority({ commonName }), 'ERR_PKI_COMMON_NAME');
    expect(error.message).toContain('1 to 64 characters');
  });

  it('writes a name in any script as UTF8String', async () => {
    const root = await createRootAuthority({ commonName: 'Contoso, "Zürich" + 東京 #1', now });
    expect(root.commonName).toBe('Contoso, "Zürich" + 東京 #1');
    expect(derOf(root).includes(Buffer.concat([Buffer.of(0x0c, 30), Buffer.from('Contoso, "Zürich" + 東京')]))).toBe(
      true,
    );
  });

  it.each([0, -1, Number.NaN, Infinity, 4_000_000])('fail: %d days', async (validityDays) => {
    await expectCode(createRootAuthority({ commonName: 'Root', validityDays, now }), 'ERR_PKI_VALIDITY');
  });

  it('fail: a time that UTCTime can not write', async () => {
    const error = await expectCode(
      createRootAuthority({ commonName: 'Root', now: new Date('1949-01-01') }),
      'ERR_PKI_VALIDITY',
    );
    expect(error.message).toContain('between the years 1950 and 9999');
  });

  it.each([-1, 1.5])('fail: path length %d', async (pathLength) => {
    await expectCode(createRootAuthority({ commonName: 'Root', pathLength }), 'ERR_PKI_PATH_LENGTH');
  });

  it('fail: a key algorithm that we do not make', async () => {
    const error = await expectCode(
      createRootAuthority({ commonName: 'Root', keyAlgorithm: 'P-521' as KeyAlgorithm }),
      'ERR_PKI_KEY_ALGORITHM',
    );
    expect(error.message).toContain('P-256, P-384, RSA-2048, RSA-3072, RSA-4096');
  });

  it('fail: wrong argument types', async () => {
    await expect(createRootAuthority({ commonName: 1 as unknown as string })).rejects.toThrow(TypeError);
    await expect(createRootAuthority({ commonName: 'Root', now: new Date('never') })).rejects.toThrow(TypeError);
  });

  it('does not show its key when printed or serialised', async () => {
    const { root } = await createFactory();
    if (!isSoftwareKey(root.key)) throw new TypeError('A new authority has a software key.');
    const { d = '' } = root.key.keyObject.export({ format: 'jwk' });
    const scalar = Buffer.from(d, 'base64url');
    const shown = [inspect(root, { depth: 9, showHidden: true }), JSON.stringify(root)].join('\n');
    for (const form of [d, scalar.toString('base64'), scalar.toString('hex'), scalar.subarray(0, 4).join(', ')]) {
      expect(shown).not.toContain(form);
    }
    expect(shown).toContain('PrivateKeyObject');
  });
});

describe('line authority', () => {
  it('is signed by the root, for devices only, with its chain up to the root', async () => {
    const { root, line } = await createFactory();
    expect(line).toMatchObject({ subject: 'CN=Line 1', issuer: 'CN=Contoso Root CA', pathLength: 0 });
    expect(line.chainPem).toBe(line.certificatePem + root.certificatePem);
    await expect(
      verifyChain({ chainPem: line.chainPem, trustedRootsPem: root.certificatePem, purpose: 'authority' }),
    ).resolves.toEqual({ isValid: true, problems: [] });
  });

  it('takes its name as commonName too', async () => {
    const { root } = await createFactory();
    await expect(createLineAuthority(root, { commonName: 'Line 2' })).resolves.toMatchObject({ commonName: 'Line 2' });
    await expect(createLineAuthority(root, {})).rejects.toThrow(TypeError);
  });

  it('never outlives its issuer, at either end', async () => {
    const root = await createRootAuthority({ commonName: 'Root', validityDays: 10, now });
    const line = await createLineAuthority(root, { lineName: 'Line', now });
    expect(line.notAfter).toEqual(root.notAfter);
    expect(line.notBefore).toEqual(root.notBefore);
    const device = await issueDeviceCertificate(line, { registrationId: 'd', validityDays: 2, now });
    expect(device.notAfter).toEqual(new Date('2026-06-03T12:00:00Z'));
  });

  it('fail: below another line', async () => {
    const { line } = await createFactory();
    const error = await expectCode(createLineAuthority(line, { lineName: 'Line 1a' }), 'ERR_PKI_PATH_LENGTH');
    expect(error.message).toContain('"CN=Line 1" has path length 0');
  });

  it('fail: the issuer has expired, or is not valid yet', async () => {
    const root = await createRootAuthority({ commonName: 'Old Root', validityDays: 1, now });
    const after = createLineAuthority(root, { lineName: 'Line', now: new Date('2026-06-02T12:00:00Z') });
    expect((await expectCode(after, 'ERR_PKI_ISSUER_NOT_VALID')).message).toContain(
      'expired on 2026-06-02T12:00:00.000Z: create a new authority',
    );
    const before = createProofOfPossession(root, 'CODE', { now: new Date('2026-05-01T00:00:00Z') });
    expect((await expectCode(before, 'ERR_PKI_ISSUER_NOT_VALID')).message).toContain('check this machine');
  });
});

describe('proof of possession', () => {
  const code = '106A5SD242AF512B3498BD6098C4941E66R34H268DDB3288';

  it('carries the code as its subject, signed by the authority, for a day', async () => {
    const { root } = await createFactory();
    const { certificatePem, certificateDer } = await createProofOfPossession(root, code);
    const proof = new NodeCertificate(certificateDer);
    expect(proof.subject).toBe(`CN=${code}`);
    expect(proof.ca).toBe(false);
    expect(proof.verify(new NodeCertificate(root.certificatePem).publicKey)).toBe(true);
    expect(thumbprints(certificatePem)).toEqual(thumbprints(certificateDer));
    expect(Date.parse(proof.validTo) - Date.parse(proof.validFrom)).toBe(dayMs + 300_000);
  });

  it('fail: a code that is no common name', async () => {
    const { root } = await createFactory();
    await expectCode(createProofOfPossession(root, 'x'.repeat(65)), 'ERR_PKI_COMMON_NAME');
  });
});

describe('reading certificates', () => {
  it('says what they say, with the thumbprints that Azure shows', async () => {
    const { device } = await createFactory();
    const text = `Bag Attributes: none\n${device.chainPem.replaceAll('\n', '\r\n')}`;
    const [first, ...issuers] = readCertificates(text);
    const node = new NodeCertificate(device.certificatePem);
    expect(first).toMatchObject({
      subject: 'CN=thermostat-1',
      commonName: 'thermostat-1',
      issuer: 'CN=Line 1',
      certificatePem: device.certificatePem,
      thumbprintSha1: node.fingerprint.replaceAll(':', ''),
      thumbprintSha256: node.fingerprint256.replaceAll(':', ''),
      notBefore: new Date(node.validFrom),
      notAfter: new Date(node.validTo),
    });
    expect(first?.serialNumber.toUpperCase().padStart(32, '0')).toBe(node.serialNumber.padStart(32, '0'));
    expect(issuers.map(({ subject }) => subject)).toEqual(['CN=Line 1', 'CN=Contoso Root CA']);
  });

  it.each([
    ['no certificate', 'hello'],
    ['cut off', '-----BEGIN CERTIFICATE-----\nMIIB'],
    ['not X.509', '-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n'],
    ['not base64', '-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n'],
  ])('fail: %s', async (_name, pem) => {
    await expectCode(() => readCertificates(pem), 'ERR_PKI_CERTIFICATE_UNREADABLE');
  });

  it('fail: a good certificate followed by a damaged one', async () => {
    const { root } = await createFactory();
    const pem = `${root.certificatePem}-----BEGIN CERTIFICATE-----\nMIIB\n`;
    await expectCode(() => readCertificates(pem), 'ERR_PKI_CERTIFICATE_UNREADABLE');
    await expectCode(() => thumbprints(Uint8Array.of(48, 0)), 'ERR_PKI_CERTIFICATE_UNREADABLE');
    expect(() => thumbprints(5 as unknown as string)).toThrow(TypeError);
    expect(() => readCertificates(5 as unknown as string)).toThrow(TypeError);
  });
});

function derOf({ certificatePem }: { certificatePem: string }): Buffer {
  return new NodeCertificate(certificatePem).raw;
}
