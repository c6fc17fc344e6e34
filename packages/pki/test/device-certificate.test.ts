import { describe, expect, it } from '@jest/globals';
import { createPrivateKey, generateKeyPairSync, X509Certificate as NodeCertificate } from 'node:crypto';
import { parseCertificates } from '../src/certificate.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
} from '../src/engine.ts';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate, signDeviceRequest } from '../src/index.ts';
import { authorityExtensions } from '../src/profile.ts';
import { createFactory, expectCode, makeRequest, makeWebKeys } from './fixtures.ts';

describe('device certificate', () => {
  it('is a TLS client and nothing else, for the whole chain to be sent', async () => {
    const { root, line, device } = await createFactory();
    expectDeviceProfile(device.certificatePem);
    expect(device).toMatchObject({
      registrationId: 'thermostat-1',
      subject: 'CN=thermostat-1',
      chainPem: device.certificatePem + line.certificatePem + root.certificatePem,
    });
    expect(device.notAfter.getTime() - device.notBefore.getTime()).toBe(730 * 86_400_000 + 300_000);
  });

  it('belongs to its key, PKCS#8 in the clear', async () => {
    const { device } = await createFactory();
    expect(device.privateKeyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    const certificate = new NodeCertificate(device.certificatePem);
    expect(certificate.checkPrivateKey(createPrivateKey(device.privateKeyPem))).toBe(true);
  });

  it('gives each device a key of its own', async () => {
    const { line } = await createFactory();
    const devices = await Promise.all(
      ['a', 'b', 'c'].map((registrationId) => issueDeviceCertificate(line, { registrationId })),
    );
    expect(new Set(devices.map(({ privateKeyPem }) => privateKeyPem)).size).toBe(3);
  });

  it('fail: a registration ID outside of the rules, before any key is made', async () => {
    const { line } = await createFactory();
    await expectCode(issueDeviceCertificate(line, { registrationId: 'Therm' }), 'ERR_PKI_REGISTRATION_ID_UPPER_CASE');
    await expectCode(issueDeviceCertificate(line, { registrationId: '' }), 'ERR_PKI_REGISTRATION_ID_EMPTY');
  });

  it('fail: the line has expired', async () => {
    const now = new Date('2020-01-01T00:00:00Z');
    const root = await createRootAuthority({ commonName: 'Root', validityDays: 5000, now });
    const line = await createLineAuthority(root, { lineName: 'Line 1', validityDays: 30, now });
    const error = await expectCode(issueDeviceCertificate(line, { registrationId: 'd1' }), 'ERR_PKI_ISSUER_NOT_VALID');
    expect(error.message).toBe(
      `Authority "CN=Line 1" can't sign: it expired on 2020-01-31T00:00:00.000Z: create a new authority and issue from that.`,
    );
  });
});

describe('device request', () => {
  it.each(['PEM', 'DER'])('signs for a key that stays on the device: %s', async (format) => {
    const { root, line } = await createFactory();
    const keys = await makeWebKeys();
    const request = await makeRequest('CN=thermostat-2', { keys });
    const signed = await signDeviceRequest(line, format === 'PEM' ? request.pem : request.der, {
      registrationId: 'thermostat-2',
    });
    expectDeviceProfile(signed.certificatePem);
    expect(signed).not.toHaveProperty('privateKeyPem');
    expect(signed.registrationId).toBe('thermostat-2');
    expect(signed.chainPem).toBe(signed.certificatePem + line.certificatePem + root.certificatePem);
  });

  it('takes nothing but name and key from it', async () => {
    const { line } = await createFactory();
    const { pem } = await makeRequest('O=Someone, CN=thermostat-2, OU=else', { extensions: authorityExtensions(5) });
    const signed = await signDeviceRequest(line, pem, { allow: 'any' });
    expect(signed.subject).toBe('CN=thermostat-2');
    expectDeviceProfile(signed.certificatePem);
  });

  it('fail: altered after it was signed', async () => {
    const { line } = await createFactory();
    const { der } = await makeRequest('CN=thermostat-2');
    const at = Buffer.from(der).indexOf('thermostat-2');
    der.set(Buffer.from('thermostat-3'), at);
    const error = await expectCode(signDeviceRequest(line, der, { allow: 'any' }), 'ERR_PKI_CSR_SIGNATURE');
    expect(error.message).toContain('thermostat-3');
  });

  it('fail: for another device', async () => {
    const { line } = await createFactory();
    const { pem } = await makeRequest('CN=thermostat-2');
    const error = await expectCode(
      signDeviceRequest(line, pem, { registrationId: 'thermostat-1' }),
      'ERR_PKI_REGISTRATION_ID_MISMATCH',
    );
    expect(error.message).toContain('is for "thermostat-2", expected "thermostat-1"');
  });

  it('fail: its name breaks a rule, is missing, or there are two', async () => {
    const { line } = await createFactory();
    const sign = async (name: Name | string): Promise<unknown> =>
      signDeviceRequest(line, (await makeRequest(name)).pem, { allow: 'any' });
    await expectCode(sign('CN=Therm 2'), 'ERR_PKI_REGISTRATION_ID_UPPER_CASE');
    await expectCode(sign('O=Contoso'), 'ERR_PKI_CSR_SUBJECT');
    await expectCode(sign(new Name([{ CN: ['a'] }, { CN: ['b'] }])), 'ERR_PKI_CSR_SUBJECT');
  });

  it.each([
    ['empty', ''],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n'],
    ['not PKCS#10', '-----BEGIN CERTIFICATE REQUEST-----\nMAMCAQE=\n-----END CERTIFICATE REQUEST-----\n'],
    ['empty DER', new Uint8Array()],
  ])('fail: %s', async (_name, csr) => {
    const { line } = await createFactory();
    await expectCode(signDeviceRequest(line, csr, { allow: 'any' }), 'ERR_PKI_CSR_UNREADABLE');
  });

  it('fail: wrong argument type', async () => {
    const { line } = await createFactory();
    await expect(signDeviceRequest(line, 5 as unknown as string, { allow: 'any' })).rejects.toThrow(TypeError);
  });

  it('fail: a key that is too short', async () => {
    const { line } = await createFactory();
    const { pem } = await makeRequest('CN=thermostat-2');
    // The key is looked at before the signature, so a request with its key swapped shows the first.
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'der', type: 'spki' });
    const error = await expectCode(
      signDeviceRequest(line, replaceKey(pem, short), { allow: 'any' }),
      'ERR_PKI_KEY_ALGORITHM',
    );
    expect(error.message).toContain('is RSA-1024');
  });
});

/** The request's DER with another SubjectPublicKeyInfo; RFC 2986 section 4.1: version, subject, key, attributes. */
function replaceKey(pem: string, spki: Buffer): Uint8Array {
  const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
  const keyAt = der.indexOf(Buffer.from('3059301306', 'hex'));
  const info = Buffer.concat([
    der.subarray(der.indexOf(Buffer.from('020100', 'hex')), keyAt),
    spki,
    Buffer.of(0xa0, 0),
  ]);
  const rest = der.subarray(der.indexOf(Buffer.from('300a06082a8648ce3d0403', 'hex')));
  return sequence(Buffer.concat([sequence(info), rest]));
}

function sequence(content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x30, 0x82, content.length >> 8, content.length & 255), content]);
}

function expectDeviceProfile(certificatePem: string): void {
  const [certificate] = parseCertificates(certificatePem);
  expect(certificate.extensions.map(({ type, critical }) => [type, critical])).toEqual([
    ['2.5.29.19', true],
    ['2.5.29.15', true],
    ['2.5.29.37', false],
    ['2.5.29.14', false],
    ['2.5.29.35', false],
  ]);
  expect(certificate.getExtension(BasicConstraintsExtension)?.ca).toBe(false);
  expect(certificate.getExtension(KeyUsagesExtension)?.usages).toBe(KeyUsageFlags.digitalSignature);
  expect(certificate.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual([ExtendedKeyUsage.clientAuth]);
}
