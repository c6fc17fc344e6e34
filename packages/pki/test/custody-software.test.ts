import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { inspect } from 'node:util';
import { Integer, OctetString, Sequence } from 'asn1js';
import { AlgorithmIdentifier, PBES2Params, PBKDF2Params, PKCS8ShroudedKeyBag } from 'pkijs';
import {
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  decryptPrivateKey,
  encryptPrivateKey,
  isSoftwareKey,
  loadAuthority,
  openSoftwareKey,
  saveAuthority,
  type KeyAlgorithm,
  type KeyDerivation,
} from '../src/index.ts';
import { encodePem } from '../src/pem.ts';
import { expectCode, inTemporaryFolder, password } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const scryptOid = '1.3.6.1.4.1.11591.4.11';

describe('a software key', () => {
  it.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048', 'RSA-3072'])('signs: %s', async (keyAlgorithm) => {
    const key = await createSoftwareKey({ keyAlgorithm });
    expect(key.keyAlgorithm).toBe(keyAlgorithm);
    const data = Buffer.from('what is signed');
    const publicKey = createPublicKey({ key: Buffer.from(key.publicKeyDer), format: 'der', type: 'spki' });
    const hash = keyAlgorithm === 'P-384' ? 'sha384' : 'sha256';
    expect(verify(hash, data, publicKey, await key.sign(data))).toBe(true);
  });

  it('is the key of a root and of a line', async () => {
    const key = await createSoftwareKey({ keyAlgorithm: 'P-384' });
    const root = await createRootAuthority({ commonName: 'Root', key });
    expect(root.key).toBe(key);
    const line = await createLineAuthority(root, { lineName: 'Line', key: await createSoftwareKey() });
    expect([root.keyAlgorithm, line.keyAlgorithm]).toEqual(['P-384', 'P-256']);
    expect(isSoftwareKey(line.key)).toBe(true);
  });

  it('shows nothing of itself when it is printed or serialised', async () => {
    const key = await createSoftwareKey();
    const { d = '' } = key.keyObject.export({ format: 'jwk' });
    const scalar = Buffer.from(d, 'base64url');
    const { publicKeyDer, ...rest } = key;
    const shown = `${inspect(rest, { depth: 9, showHidden: true })}${JSON.stringify(rest)}`;
    expect(publicKeyDer.length).toBe(91);
    for (const form of [d, scalar.toString('base64'), scalar.toString('hex'), scalar.subarray(0, 4).join(', ')]) {
      expect(shown).not.toContain(form);
    }
  });
});

describe('an encrypted key', () => {
  itSaysWhetherOpenSslIsThere();

  it.each<KeyDerivation>(['PBKDF2', 'scrypt'])('is opened with its password: %s', async (keyDerivation) => {
    const key = await createSoftwareKey();
    const pem = await encryptPrivateKey(key, password, { keyDerivation });
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    expect((await openSoftwareKey(pem, password)).publicKeyDer).toEqual(key.publicKeyDer);
    const error = await expectCode(openSoftwareKey(pem, 'not-Sesame'), 'ERR_PKI_PASSWORD_WRONG');
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('Sesame');
    await expectCode(openSoftwareKey(pem, ''), 'ERR_PKI_PASSWORD_EMPTY');
  });

  itWithOpenSsl.each<[KeyDerivation, RegExp]>([
    ['PBKDF2', /PBKDF2[\s\S]*INTEGER\s+:0927C0[\s\S]*hmacWithSHA256[\s\S]*aes-256-cbc/],
    ['scrypt', /scrypt[\s\S]*INTEGER\s+:4000[\s\S]*INTEGER\s+:08[\s\S]*INTEGER\s+:05[\s\S]*aes-256-cbc/],
  ])('is what it says it is, and OpenSSL opens it: %s', async (keyDerivation, structure) => {
    const key = await createSoftwareKey();
    const pem = await encryptPrivateKey(key, password, { keyDerivation });
    expect(openSsl(['asn1parse', '-inform', 'PEM'], pem)).toMatch(structure);
    const opened = openSsl(['pkey', '-passin', `pass:${password}`], pem);
    expect(opened).toBe(key.keyObject.export({ format: 'pem', type: 'pkcs8' }));
  });

  it('never repeats salt or nonce', async () => {
    const key = await createSoftwareKey();
    const both = await Promise.all([encryptPrivateKey(key, password), encryptPrivateKey(key, password)]);
    expect(both[0]).not.toBe(both[1]);
  });

  it("is an authority's, saved with scrypt on request", () =>
    inTemporaryFolder(async (folder) => {
      const root = await createRootAuthority({ commonName: 'Root' });
      await saveAuthority(root, { folder, name: 'root', password, keyDerivation: 'scrypt' });
      await expect(loadAuthority({ folder, name: 'root', password })).resolves.toMatchObject({
        certificatePem: root.certificatePem,
      });
      await expectCode(saveAuthority(root, { folder, name: 'other' }), 'ERR_PKI_PASSWORD_EMPTY');
    }));

  it.each([
    ['iterations', pbkdf2(2_000_000_000)],
    ['memory', scrypt(2 ** 24, 8, 1)],
    ['time', scrypt(2 ** 14, 8, 1_000_000)],
  ])('fail: one that asks for more %s than anybody has', async (_name, derivation) => {
    const error = await expectCode(
      decryptPrivateKey(withDerivation(derivation), password),
      'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    );
    expect(error.message).toContain('would take this machine too long');
  });

  it.each([
    ['no salt', new AlgorithmIdentifier({ algorithmId: scryptOid, algorithmParams: new Sequence({ value: [] }) })],
    ['a factor of zero', scrypt(0, 8, 1)],
    ['a factor that is no power of two', scrypt(1000, 8, 1)],
    ['an unknown derivation', new AlgorithmIdentifier({ algorithmId: '1.2.3' })],
  ])('fail: parameters with %s', async (_name, derivation) => {
    const error = await decryptPrivateKey(withDerivation(derivation), password).then(
      () => undefined,
      (reason: unknown) => reason as { code?: string },
    );
    expect(error?.code).toMatch(/^ERR_PKI_(ENCRYPTION_UNSUPPORTED|PASSWORD_WRONG)$/);
  });
});

/** As `npm run build` made it, since Node itself can't run the source. */
const built = new URL('../dist/index.js', import.meta.url);

(existsSync(built) ? it : it.skip)('keys, passwords and bundles are handled without writing one file', () => {
  const flags = ['--permission', '--experimental-permission'];
  const flag = flags.find((name) => process.allowedNodeEnvironmentFlags.has(name)) ?? '';
  const script = `
    const pki = await import(${JSON.stringify(built.href)});
    const root = await pki.createRootAuthority({ commonName: 'Root' });
    const line = await pki.createLineAuthority(root, { lineName: 'Line' });
    const device = await pki.issueDeviceCertificate(line, { registrationId: 'd' });
    const encrypted = await pki.encryptPrivateKey(line.key, 'Sesame', { keyDerivation: 'scrypt' });
    await pki.openSoftwareKey(encrypted, 'Sesame');
    await pki.decodePfx(await pki.encodePfx({ ...device, password: 'Sesame' }), 'Sesame');
    const bundle = await pki.sealDeviceBundle({ devices: [device], recipientCertificatePem: device.certificatePem })
      .catch(({ code }) => code);
    const { writeFile } = await import('node:fs/promises');
    const refused = await writeFile('/tmp/never', '').catch(({ code }) => code);
    console.log(JSON.stringify({ bundle, refused }));
  `;
  const args = ['--no-warnings', flag, '--allow-fs-read=*', '--input-type=module', '--eval', script];
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', env: {} });
  expect(JSON.parse(output)).toEqual({ bundle: 'ERR_PKI_STATION_CERTIFICATE', refused: 'ERR_ACCESS_DENIED' });
});

function pbkdf2(iterationCount: number): AlgorithmIdentifier {
  const parameters = new PBKDF2Params({ salt: new OctetString({ valueHex: new ArrayBuffer(16) }), iterationCount });
  return new AlgorithmIdentifier({ algorithmId: '1.2.840.113549.1.5.12', algorithmParams: parameters.toSchema() });
}

function scrypt(...cost: [N: number, r: number, p: number]): AlgorithmIdentifier {
  const salt = new OctetString({ valueHex: new ArrayBuffer(16) });
  const algorithmParams = new Sequence({ value: [salt, ...cost.map((value) => new Integer({ value }))] });
  return new AlgorithmIdentifier({ algorithmId: scryptOid, algorithmParams });
}

/** An encrypted key whose parameters somebody made up. */
function withDerivation(keyDerivationFunc: AlgorithmIdentifier): string {
  const iv = new OctetString({ valueHex: new ArrayBuffer(16) });
  const encryptionScheme = new AlgorithmIdentifier({ algorithmId: '2.16.840.1.101.3.4.1.42', algorithmParams: iv });
  const parameters = new PBES2Params({ keyDerivationFunc, encryptionScheme });
  const bag = new PKCS8ShroudedKeyBag({
    encryptionAlgorithm: new AlgorithmIdentifier({
      algorithmId: '1.2.840.113549.1.5.13',
      algorithmParams: parameters.toSchema(),
    }),
    encryptedData: new OctetString({ valueHex: new ArrayBuffer(160) }),
  });
  return encodePem('ENCRYPTED PRIVATE KEY', bag.toSchema().toBER());
}
