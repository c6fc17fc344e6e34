import { describe, expect, it } from '@jest/globals';
import { createHmac, createPrivateKey, pbkdf2Sync, randomBytes } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { inspect } from 'node:util';
import { Integer, Null, OctetString, Sequence, type AsnType } from 'asn1js';
import {
  AlgorithmIdentifier,
  AuthenticatedSafe,
  CertBag,
  ContentInfo,
  DigestInfo,
  id_CertBag_X509Certificate,
  MacData,
  PFX,
  SafeBag,
  SafeContents,
} from 'pkijs';
import { pkijsEngine } from '../src/engine.ts';
import { decodePfx, decryptPrivateKey, encodePfx, encryptPrivateKey, issueDeviceCertificate } from '../src/index.ts';
import { createFactory, expectCode, makeCertificate, password } from './fixtures.ts';

describe('PFX', () => {
  it('gives back key and chain as they were', async () => {
    const { device } = await createFactory();
    const pfx = await encodePfx({ ...device, password, friendlyName: 'thermostat-1' });
    const { chainPem, privateKeyPem } = device;
    await expect(decodePfx(pfx, password)).resolves.toEqual({ chainPem, privateKeyPem, weaknesses: [] });
  });

  it('opens in Node', async () => {
    const { device } = await createFactory();
    const pfx = Buffer.from(await encodePfx({ ...device, password }));
    expect(() => createSecureContext({ pfx, passphrase: password })).not.toThrow();
    expect(() => createSecureContext({ pfx, passphrase: 'other' })).toThrow('mac verify failure');
  });

  it('is read in the order of the chain, whatever the order in the file', async () => {
    const { root, line, device } = await createFactory();
    const shuffled = device.certificatePem + root.certificatePem + line.certificatePem;
    const pfx = await encodePfx({ ...device, chainPem: shuffled, password });
    expect((await decodePfx(pfx, password)).chainPem).toBe(device.chainPem);
  });

  it('leaves out certificates that are no part of the chain', async () => {
    const { device } = await createFactory();
    const other = await createFactory();
    const pfx = await encodePfx({ ...device, chainPem: device.chainPem + other.line.certificatePem, password });
    expect((await decodePfx(pfx, password)).chainPem).toBe(device.chainPem);
  });

  it('fail: wrong password, which no message repeats', async () => {
    const { device } = await createFactory();
    const pfx = await encodePfx({ ...device, password });
    const error = await expectCode(decodePfx(pfx, 'not-Sesame'), 'ERR_PKI_PASSWORD_WRONG');
    expect(error.message).toBe(
      `The password doesn't open the PFX: give the one that it was saved with. (If that is it, the data is damaged.)`,
    );
    expect(inspect(error, { depth: 9 })).not.toContain('Sesame');
  });

  it('fail: altered by one bit', async () => {
    const { device } = await createFactory();
    const pfx = await encodePfx({ ...device, password });
    const at = pfx.length >> 1;
    pfx[at] = (pfx[at] ?? 0) ^ 1;
    await expectCode(decodePfx(pfx, password), 'ERR_PKI_PASSWORD_WRONG');
  });

  it('fail: no password', async () => {
    const { device } = await createFactory();
    await expectCode(encodePfx({ ...device, password: '' }), 'ERR_PKI_PASSWORD_EMPTY');
    await expectCode(decodePfx(Uint8Array.of(1), ''), 'ERR_PKI_PASSWORD_EMPTY');
    await expect(decodePfx('text' as unknown as Uint8Array, password)).rejects.toThrow(TypeError);
    await expect(decodePfx(Uint8Array.of(1), 5 as unknown as string)).rejects.toThrow(TypeError);
  });

  it("fail: another device's key", async () => {
    const { line, device } = await createFactory();
    const other = await issueDeviceCertificate(line, { registrationId: 'thermostat-2' });
    const mixed = { chainPem: device.chainPem, privateKeyPem: other.privateKeyPem, password };
    const error = await expectCode(encodePfx(mixed), 'ERR_PKI_KEY_MISMATCH');
    expect(error.message).toContain('"CN=thermostat-1"');
  });

  it.each([
    ['empty', ''],
    ['text', 'hello, world'],
    ['some other DER', '\x30\x03\x02\x01\x03'],
  ])('fail: not a PFX: %s', async (_name, content) => {
    await expectCode(decodePfx(Buffer.from(content, 'latin1'), password), 'ERR_PKI_PFX_UNREADABLE');
  });

  it('fail: cut off', async () => {
    const { device } = await createFactory();
    const pfx = await encodePfx({ ...device, password });
    await expectCode(decodePfx(pfx.subarray(0, -20), password), 'ERR_PKI_PFX_UNREADABLE');
  });

  it('fail: a MAC that we do not know, or one by signature, or none', async () => {
    const { device } = await createFactory();
    const der = await encodePfx({ ...device, password });
    const changed = (change: (pfx: PFX) => void): Uint8Array => {
      const pfx = PFX.fromBER(der);
      change(pfx);
      return new Uint8Array(pfx.toSchema().toBER());
    };
    const md5 = changed(({ macData }) => {
      if (macData) macData.mac.digestAlgorithm = new AlgorithmIdentifier({ algorithmId: '1.2.840.113549.2.5' });
    });
    await expectCode(decodePfx(md5, password), 'ERR_PKI_ENCRYPTION_UNSUPPORTED');
    const signed = changed(({ authSafe }) => void (authSafe.contentType = ContentInfo.SIGNED_DATA));
    await expectCode(decodePfx(signed, password), 'ERR_PKI_ENCRYPTION_UNSUPPORTED');
    const bare = changed((pfx) => delete pfx.macData);
    const error = await expectCode(decodePfx(bare, password), 'ERR_PKI_PFX_UNREADABLE');
    expect(error.message).toContain('no MAC');
  });

  it('with PBMAC1 (RFC 9879) in the place of its own MAC', async () => {
    const { device } = await createFactory();
    const { chainPem, privateKeyPem } = device;
    const pfx = await encodePfx({ ...device, password });
    for (const [hash, keyLength] of [
      ['sha256', 32],
      ['sha512', 64],
      ['sha256', 20],
    ] as const) {
      const sealed = withPbmac1(pfx, { hash, keyLength });
      await expect(decodePfx(sealed, password)).resolves.toEqual({ chainPem, privateKeyPem, weaknesses: [] });
      await expectCode(decodePfx(sealed, 'other'), 'ERR_PKI_PASSWORD_WRONG');
      if (nodeKnowsPbmac1) {
        expect(() => createSecureContext({ pfx: Buffer.from(sealed), passphrase: password })).not.toThrow();
      }
    }
    const old = await decodePfx(withPbmac1(pfx, { hash: 'sha1', keyLength: 20, iterations: 500 }), password);
    expect(old.weaknesses).toEqual([expect.stringContaining('500 iterations only'), expect.stringContaining('SHA-1')]);
  });

  it.each([
    ['a key too short', { keyLength: 16 }],
    ['a key beyond all reason', { keyLength: 100_000 }],
    ['no length of the key', { keyLength: undefined }],
    ['a hash that is none', { keyLength: 32, macId: '1.2.3.4' }],
    ['absurd work', { keyLength: 32, iterations: 2_000_000_000 }],
  ])('fail: PBMAC1 with %s', async (_name, plan) => {
    const { device } = await createFactory();
    const sealed = withPbmac1(await encodePfx({ ...device, password }), { hash: 'sha256', ...plan });
    await expectCode(decodePfx(sealed, password), 'ERR_PKI_ENCRYPTION_UNSUPPORTED');
  });

  it('fail: no key in it', async () => {
    const { certificate } = await makeCertificate('device-1');
    const certValue = new OctetString({ valueHex: certificate.rawData });
    const bagValue = new CertBag({ certId: id_CertBag_X509Certificate, certValue });
    const value = new SafeContents({ safeBags: [new SafeBag({ bagId: '1.2.840.113549.1.12.10.1.3', bagValue })] });
    const safe = new AuthenticatedSafe({ parsedValue: { safeContents: [{ privacyMode: 0, value }] } });
    await safe.makeInternalValues({ safeContents: [{}] }, pkijsEngine);
    const error = await expectCode(decodePfx(await seal(safe), password), 'ERR_PKI_PFX_UNREADABLE');
    expect(error.message).toContain('no private key');
  });

  it('fail: a safe that no password opens', async () => {
    const content = new ContentInfo({ contentType: ContentInfo.ENVELOPED_DATA, content: new OctetString() });
    const error = await expectCode(
      decodePfx(await seal(new AuthenticatedSafe({ safeContents: [content] })), password),
      'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    );
    expect(error.message).toContain(ContentInfo.ENVELOPED_DATA);
  });
});

describe('encrypted private key', () => {
  it('gives back the key, from PEM or from an authority', async () => {
    const { root, device } = await createFactory();
    const encrypted = await encryptPrivateKey(device.privateKeyPem, password);
    expect(encrypted).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    await expect(decryptPrivateKey(encrypted, password)).resolves.toBe(device.privateKeyPem);
    const rootKey = await encryptPrivateKey(root.key, password);
    const opened = createPrivateKey({ key: rootKey, passphrase: password });
    expect(opened.export({ format: 'pem', type: 'pkcs8' })).toBe(await decryptPrivateKey(rootKey, password));
  });

  it('fail: wrong password', async () => {
    const { device } = await createFactory();
    const encrypted = await encryptPrivateKey(device.privateKeyPem, password);
    const error = await expectCode(decryptPrivateKey(encrypted, 'not-Sesame'), 'ERR_PKI_PASSWORD_WRONG');
    expect(inspect(error, { depth: 9 })).not.toContain('Sesame');
  });

  it('fail: no password', async () => {
    const { device } = await createFactory();
    await expectCode(encryptPrivateKey(device.privateKeyPem, ''), 'ERR_PKI_PASSWORD_EMPTY');
    await expectCode(decryptPrivateKey(device.privateKeyPem, ''), 'ERR_PKI_PASSWORD_EMPTY');
  });

  it('fail: not an encrypted key', async () => {
    const { device } = await createFactory();
    const damaged = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n';
    await expectCode(decryptPrivateKey(device.privateKeyPem, password), 'ERR_PKI_KEY_UNREADABLE');
    await expectCode(decryptPrivateKey(damaged, password), 'ERR_PKI_KEY_UNREADABLE');
    await expect(decryptPrivateKey(5 as unknown as string, password)).rejects.toThrow(TypeError);
  });

  it.each([
    ['no key', 'hello', 'no private key'],
    ['damaged', '-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n', 'damaged'],
    [
      'encrypted',
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n',
      'decryptPrivateKey',
    ],
  ])('fail: to be encrypted, but %s', async (_name, pem, hint) => {
    const error = await expectCode(encryptPrivateKey(pem, password), 'ERR_PKI_KEY_UNREADABLE');
    expect(error.message).toContain(hint);
  });
});

/** OpenSSL 3.4 was the first. */
const nodeKnowsPbmac1 = Number.parseFloat(process.versions.openssl) >= 3.4;

interface Pbmac1Plan {
  hash: 'sha1' | 'sha256' | 'sha512';
  keyLength: number | undefined;
  iterations?: number;
  macId?: string;
}

/** The same PFX under another MAC, made as RFC 9879 has it; Node's own OpenSSL opens it where it knows that. */
function withPbmac1(der: Uint8Array, plan: Pbmac1Plan): Uint8Array {
  const { hash, keyLength, iterations = 2048 } = plan;
  const pfx = PFX.fromBER(der);
  const content = Buffer.from((pfx.authSafe.content as OctetString).getValue());
  const salt = randomBytes(16);
  const tooMuch = iterations > 10_000;
  const key = pbkdf2Sync(password, salt, tooMuch ? 1 : iterations, keyLength ?? 32, hash);
  const macId = { sha1: '1.2.840.113549.2.7', sha256: '1.2.840.113549.2.9', sha512: '1.2.840.113549.2.11' }[hash];
  const algorithm = (algorithmId: string, algorithmParams: AsnType): AlgorithmIdentifier =>
    new AlgorithmIdentifier({ algorithmId, algorithmParams });
  const octets = (bytes: Uint8Array): OctetString => new OctetString({ valueHex: Uint8Array.from(bytes).buffer });
  const pbkdf2 = new Sequence({
    value: [
      octets(salt),
      new Integer({ value: iterations }),
      ...(keyLength === undefined ? [] : [new Integer({ value: keyLength })]),
      algorithm(macId, new Null()).toSchema(),
    ],
  });
  const parameters = new Sequence({
    value: [
      algorithm('1.2.840.113549.1.5.12', pbkdf2).toSchema(),
      algorithm(plan.macId ?? macId, new Null()).toSchema(),
    ],
  });
  pfx.macData = new MacData({
    mac: new DigestInfo({
      digestAlgorithm: algorithm('1.2.840.113549.1.5.14', parameters),
      digest: octets(createHmac(hash, key).update(content).digest()),
    }),
    macSalt: octets(Buffer.from('NOT USED')),
    iterations: 1,
  });
  return new Uint8Array(pfx.toSchema().toBER());
}

async function seal(authenticatedSafe: AuthenticatedSafe): Promise<Uint8Array> {
  const pfx = new PFX({ parsedValue: { integrityMode: 0, authenticatedSafe } });
  const mac = {
    password: Uint8Array.from(Buffer.from(password)).buffer,
    iterations: 1,
    pbkdf2HashAlgorithm: { name: 'SHA-256' },
    hmacHashAlgorithm: 'SHA-256',
  };
  await pfx.makeInternalValues(mac, pkijsEngine);
  return new Uint8Array(pfx.toSchema().toBER());
}
