import { describe, expect, it } from '@jest/globals';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  createAuthorityRequest,
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  issueMany,
  openAuthority,
  signAuthorityRequest,
  signDeviceRequest,
  verifyChain,
  type DeviceAllowance,
  type KeyAlgorithm,
} from '../src/index.ts';
import { authorityExtensions } from '../src/profile.ts';
import { createFactory, expectCode, inTemporaryFolder, makeRequest } from './fixtures.ts';
import { collect } from './inventory-engines.ts';
import { itWithOpenSsl, openSsl } from './openssl-cli.ts';

const registrationId = 'thermostat-2';

describe("a device's request", () => {
  it.each<[string, () => Parameters<typeof createDeviceRequest>[0]['key'] | ReturnType<typeof createSoftwareKey>]>([
    ["with Node's own key", () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ["with Node's RSA key", () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['with a key in custody', () => createSoftwareKey({ keyAlgorithm: 'P-384' })],
  ])('is made %s, and signed', async (_name, makeKey) => {
    const { line, root } = await createFactory();
    const key = await makeKey();
    const csr = await createDeviceRequest({ registrationId, key });
    expect(csr).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n/);
    const signed = await signDeviceRequest(line, csr, { allow: [registrationId] });
    await expect(
      verifyChain({ chainPem: signed.chainPem, trustedRootsPem: root.certificatePem, registrationId }),
    ).resolves.toMatchObject({ isValid: true });
    const publicKey = createPublicKey(signed.certificatePem).export({ format: 'der', type: 'spki' });
    const own = 'sign' in key ? key.publicKeyDer : createPublicKey(key).export({ format: 'der', type: 'spki' });
    expect(publicKey.equals(own)).toBe(true);
  });

  itWithOpenSsl.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('is one for OpenSSL: %s', async (keyAlgorithm) => {
    const csr = await createDeviceRequest({ registrationId, key: await createSoftwareKey({ keyAlgorithm }) });
    const text = openSsl(['req', '-noout', '-verify', '-text'], csr);
    expect(text).toContain('Subject: CN = thermostat-2');
    expect(text).toMatch(/Attributes:\s+\(none\)/);
    // RFC 2986 section 4.1: the attributes may be none, and are there even so.
    expect(Buffer.from(csr.replace(/-----.*-----/g, ''), 'base64').includes(Buffer.of(0xa0, 0))).toBe(true);
  });

  it('fail: a name that breaks a rule, a key of another kind', async () => {
    const key = await createSoftwareKey();
    await expectCode(createDeviceRequest({ registrationId: 'Thermostat', key }), 'ERR_PKI_REGISTRATION_ID_UPPER_CASE');
    const { privateKey } = generateKeyPairSync('ed25519');
    await expectCode(createDeviceRequest({ registrationId, key: privateKey }), 'ERR_PKI_KEY_ALGORITHM');
  });

  it.each<[string, DeviceAllowance]>([
    ['a list', ['thermostat-1', registrationId]],
    ['a rule', (id) => id.startsWith('thermostat-')],
    ['a rule that has to ask', async (id) => Promise.resolve(id === registrationId)],
    ['the word for all', 'any'],
  ])('is signed when it is allowed by %s', async (_name, allow) => {
    const { line } = await createFactory();
    const { pem } = await makeRequest(`CN=${registrationId}`);
    await expect(signDeviceRequest(line, pem, { allow })).resolves.toMatchObject({ registrationId });
  });

  it.each<[string, DeviceAllowance]>([
    ['a list', ['thermostat-1']],
    ['an empty list', []],
    ['a rule', () => false],
    ['a rule that has to ask', () => Promise.resolve(false)],
    ['a rule that answers with something else', () => 'no' as unknown as boolean],
  ])('fail: not allowed by %s', async (_name, allow) => {
    const { line } = await createFactory();
    const { pem } = await makeRequest(`CN=${registrationId}`);
    const error = await expectCode(signDeviceRequest(line, pem, { allow }), 'ERR_PKI_REGISTRATION_ID_NOT_ALLOWED');
    expect(error.message).toContain('"thermostat-2"');
  });

  it('fail: nobody has said which device it may be for', async () => {
    const { line } = await createFactory();
    const { pem } = await makeRequest(`CN=${registrationId}`);
    await expect(signDeviceRequest(line, pem, {})).rejects.toThrow(TypeError);
    await expect(signDeviceRequest(line, pem, { validityDays: 10 })).rejects.toThrow(/registrationId, allow/);
    await expect(collect(issueMany([{ csr: pem }], { line, threads: 0 }))).rejects.toThrow(TypeError);
    await expect(signDeviceRequest(line, pem, { registrationId })).resolves.toMatchObject({ registrationId });
    const named = issueMany([{ csr: pem, registrationId }], { line, threads: 0 });
    await expect(collect(named)).resolves.toMatchObject([{ registrationId }]);
  });

  it('is not looked up in the rule before its name is known to be one', async () => {
    const { line } = await createFactory();
    const { pem } = await makeRequest('CN=../etc');
    const asked: string[] = [];
    const allow = (id: string): boolean => asked.push(id) > 0;
    await expectCode(signDeviceRequest(line, pem, { allow }), 'ERR_PKI_REGISTRATION_ID_CHARACTER');
    expect(asked).toEqual([]);
  });

  itWithOpenSsl.each([
    ['SHA-512', ['-sha512'], undefined],
    ['SHA-1, which proves too little', ['-sha1'], 'ERR_PKI_CSR_SIGNATURE' as const],
  ])('is signed with %s', (_name, options, code) =>
    inTemporaryFolder(async (folder) => {
      const { line, device } = await createFactory();
      const keyPath = join(folder, 'key.pem');
      await writeFile(keyPath, device.privateKeyPem, { mode: 0o600 });
      const csr = openSsl(['req', '-new', '-key', keyPath, '-subj', `/CN=${registrationId}`, ...options]);
      const signed = signDeviceRequest(line, csr, { allow: 'any' });
      if (code) await expectCode(signed, code);
      else await expect(signed).resolves.toMatchObject({ registrationId });
    }),
  );

  it('ends in one of our errors however it is damaged, and none shows what it held', async () => {
    const { line } = await createFactory();
    const { der } = await makeRequest(`CN=${registrationId}`);
    for (let at = 0; at < der.length; at += 1) {
      const damaged = Uint8Array.from(der);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      const error = await signDeviceRequest(line, damaged, { allow: 'any' }).then(
        () => undefined,
        (reason: unknown) => reason as { code?: string },
      );
      expect(error?.code).toMatch(/^ERR_PKI_(?:CSR|REGISTRATION_ID|KEY_ALGORITHM)/);
      await expectCode(signDeviceRequest(line, der.subarray(0, at), { allow: 'any' }), 'ERR_PKI_CSR_UNREADABLE');
    }
  });
});

describe("a line authority's request", () => {
  const lineName = 'Line 1, Zürich';

  it.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('goes out and comes back: %s', async (keyAlgorithm) => {
    const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
    const key = await createSoftwareKey({ keyAlgorithm });
    const csr = await createAuthorityRequest(key, { lineName });
    const answer = await signAuthorityRequest(root, csr, { lineName, validityDays: 100 });
    expect(answer).toMatchObject({ commonName: lineName, issuer: 'CN=Contoso Root CA' });
    expect(answer.notAfter.getTime() - Date.now()).toBeLessThan(100 * 86_400_000);
    const line = openAuthority({ chainPem: answer.chainPem, key });
    expect(line).toMatchObject({ pathLength: 0, keyAlgorithm });
    await expect(
      verifyChain({ chainPem: line.chainPem, trustedRootsPem: root.certificatePem, purpose: 'authority' }),
    ).resolves.toMatchObject({ isValid: true });
  });

  it('gets the profile of a line, whatever it asks for', async () => {
    const root = await createRootAuthority({ commonName: 'Root' });
    const { pem } = await makeRequest('O=Someone, CN=Line 1', { extensions: authorityExtensions(5) });
    const answer = await signAuthorityRequest(root, pem, { lineName: 'Line 1' });
    expect(answer.subject).toBe('CN=Line 1');
    const usual = await createLineAuthority(root, { lineName: 'Line 1' });
    const profile = (certificatePem: string): string =>
      openSsl(['x509', '-noout', '-ext', 'basicConstraints,keyUsage'], certificatePem);
    expect(profile(answer.certificatePem)).toBe(profile(usual.certificatePem));
    expect(profile(answer.certificatePem)).toContain('CA:TRUE, pathlen:0');
  });

  it('fail: for another line than was agreed on', async () => {
    const root = await createRootAuthority({ commonName: 'Root' });
    const csr = await createAuthorityRequest(await createSoftwareKey(), { lineName: 'Line 2' });
    const error = await expectCode(signAuthorityRequest(root, csr, { lineName: 'Line 1' }), 'ERR_PKI_CSR_SUBJECT');
    expect(error.message).toContain('The request is for "Line 2", expected line "Line 1"');
    await expect(signAuthorityRequest(root, csr, {} as { lineName: string })).rejects.toThrow(TypeError);
  });

  it('fail: not signed by its own key, or by an authority that may have none below it', async () => {
    const { root, line } = await createFactory();
    const csr = await createAuthorityRequest(await createSoftwareKey(), { lineName: 'Line 2' });
    const der = Buffer.from(csr.replace(/-----.*-----/g, ''), 'base64');
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    await expectCode(signAuthorityRequest(root, der, { lineName: 'Line 2' }), 'ERR_PKI_CSR_SIGNATURE');
    await expectCode(signAuthorityRequest(line, csr, { lineName: 'Line 2' }), 'ERR_PKI_PATH_LENGTH');
    await expectCode(signAuthorityRequest(root, 'none', { lineName: 'Line 2' }), 'ERR_PKI_CSR_UNREADABLE');
    await expectCode(createAuthorityRequest(await createSoftwareKey(), { lineName: '' }), 'ERR_PKI_COMMON_NAME');
  });

  it('fail: its certificate opened with another key', async () => {
    const { line } = await createFactory();
    const key = await createSoftwareKey();
    const error = await expectCode(() => openAuthority({ chainPem: line.chainPem, key }), 'ERR_PKI_KEY_MISMATCH');
    expect(inspect(error)).not.toContain('PRIVATE');
  });
});
