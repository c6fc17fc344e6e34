import { describe, expect } from '@jest/globals';
import { createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  decodePfx,
  decryptPrivateKey,
  encodePfx,
  encryptPrivateKey,
  issueDeviceCertificate,
  loadAuthority,
  readCertificates,
  readCredential,
  saveAuthority,
  saveDevice,
  signDeviceRequest,
  verifyChain,
  type KeyAlgorithm,
} from '../src/index.ts';
import { createFactory, expectCode, inTemporaryFolder, password } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const algorithms: [KeyAlgorithm, string, string][] = [
  ['P-256', 'ecdsa-with-SHA256', 'NIST CURVE: P-256'],
  ['P-384', 'ecdsa-with-SHA384', 'NIST CURVE: P-384'],
  ['RSA-2048', 'sha256WithRSAEncryption', 'Public-Key: (2048 bit)'],
  ['RSA-3072', 'sha256WithRSAEncryption', 'Public-Key: (3072 bit)'],
  ['RSA-4096', 'sha256WithRSAEncryption', 'Public-Key: (4096 bit)'],
];
const pass = ['-passin', `pass:${password}`];

itSaysWhetherOpenSslIsThere();

describe('OpenSSL takes what we write', () => {
  for (const [keyAlgorithm, signature, key] of algorithms) {
    itWithOpenSsl(
      `root, line, device and proof of possession: ${keyAlgorithm}`,
      () => inTemporaryFolder((folder) => checkAlgorithm(folder, keyAlgorithm, signature, key)),
      120_000,
    );
  }

  itWithOpenSsl('a device key of another kind than its line', () =>
    inTemporaryFolder(async (folder) => {
      const root = await createRootAuthority({ commonName: 'Root', keyAlgorithm: 'P-384' });
      const line = await createLineAuthority(root, { lineName: 'Line', keyAlgorithm: 'RSA-2048' });
      const device = await issueDeviceCertificate(line, { registrationId: 'd1', keyAlgorithm: 'P-384' });
      await expect(verifyWithOpenSsl(folder, device.chainPem, root.certificatePem)).resolves.toMatch(/: OK$/m);
    }),
  );

  itWithOpenSsl('PFX: the password opens it, the key fits, the whole chain is there in order', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const { pfxPath } = await saveDevice(device, { folder, password });
      const blocks = (args: string[]): string => onlyPem(openSsl(['pkcs12', '-in', pfxPath, ...pass, ...args]));
      expect(blocks(['-nokeys'])).toBe(device.chainPem);
      expect(blocks(['-nocerts', '-noenc'])).toBe(device.privateKeyPem);
      const about = openSsl(['pkcs12', '-in', pfxPath, ...pass, '-nokeys', '-clcerts']);
      expect(about).toContain('friendlyName: thermostat-1');
      expect(() => openSsl(['pkcs12', '-in', pfxPath, '-passin', 'pass:other', '-nokeys'])).toThrow('invalid password');
    }),
  );

  itWithOpenSsl('encrypted key, in the form that it writes itself', async () => {
    const { device } = await createFactory();
    const encrypted = await encryptPrivateKey(device.privateKeyPem, password);
    expect(openSsl(['pkey', ...pass], encrypted)).toBe(device.privateKeyPem);
    const structure = openSsl(['asn1parse'], encrypted);
    for (const name of ['PBES2', 'PBKDF2', 'hmacWithSHA256', 'aes-256-cbc']) expect(structure).toContain(name);
  });
});

describe('we take what OpenSSL writes', () => {
  itWithOpenSsl('PFX: a password in any script, both ways', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const phrase = 'Sésame, öffne dich! 開けゴマ 🔑';
      const path = join(folder, 'ours.pfx');
      await writeFile(path, await encodePfx({ ...device, password: phrase }));
      expect(onlyPem(openSsl(['pkcs12', '-in', path, '-passin', `pass:${phrase}`, '-nokeys']))).toBe(device.chainPem);
      const pfx = await exportPfx(folder, device, ['-passout', `pass:${phrase}`]);
      await expect(decodePfx(pfx, phrase)).resolves.toMatchObject({ chainPem: device.chainPem });
    }),
  );

  itWithOpenSsl('certificate of version 1, which has no extensions', () =>
    inTemporaryFolder(async (folder) => {
      const key = join(folder, 'key.pem');
      const request = openSsl(['req', '-newkey', 'ed25519', '-noenc', '-keyout', key, '-subj', '/CN=old']);
      const pem = openSsl(['x509', '-req', '-signkey', key], request);
      expect(readCertificates(pem)).toMatchObject([{ subject: 'CN=old', commonName: 'old' }]);
      await expect(verifyChain({ chainPem: pem })).resolves.toMatchObject({ problems: [] });
      const asAuthority = await verifyChain({ chainPem: pem, purpose: 'authority' });
      expect(asAuthority.problems.map(({ code }) => code)).toEqual(['CHAIN_CA_FLAG']);
    }),
  );

  itWithOpenSsl.each([
    ['its defaults', [], []],
    ['SHA-1 MAC', ['-macalg', 'sha1'], ['Its integrity rests on SHA-1']],
    [
      'AES-128 and another key derivation count',
      ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC', '-iter', '5000'],
      [],
    ],
    ['few iterations', ['-iter', '100'], ['hardened with 100 iterations only']],
    [
      'certificates and key not encrypted',
      ['-certpbe', 'NONE', '-keypbe', 'NONE'],
      ['Its key is not encrypted at all'],
    ],
    [
      'triple DES',
      ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
      [
        'integrity rests on SHA-1',
        'list of certificates is encrypted with triple DES',
        'key is encrypted with triple DES',
      ],
    ],
    ['triple DES with two keys', ['-keypbe', 'PBE-SHA1-2DES'], ['key is encrypted with triple DES']],
    [
      'what OpenSSL 1 wrote (RC2-40 and triple DES)',
      ['-legacy'],
      [
        'SHA-1',
        'list of certificates is encrypted with RC2 with 40 bits, which anybody opens',
        'key is encrypted with triple',
      ],
    ],
    [
      'RC2 with 128 bits',
      ['-legacy', '-certpbe', 'PBE-SHA1-RC2-128', '-keypbe', 'PBE-SHA1-RC2-128', '-macalg', 'sha256'],
      [
        'list of certificates is encrypted with RC2, which was given up',
        'key is encrypted with RC2, which was given up',
      ],
    ],
    [
      'RC4',
      ['-legacy', '-certpbe', 'PBE-SHA1-RC4-40', '-keypbe', 'PBE-SHA1-RC4-128', '-macalg', 'sha256'],
      [
        'list of certificates is encrypted with RC4 with 40 bits, which anybody opens',
        'key is encrypted with RC4, which is broken',
      ],
    ],
    [
      'DES (PBES1)',
      ['-legacy', '-certpbe', 'PBE-MD5-DES', '-keypbe', 'PBE-SHA1-DES', '-macalg', 'sha256'],
      ['list of certificates is encrypted with DES with 56 bits, which anybody opens', 'key is encrypted with DES'],
    ],
    [
      'RC2 with 64 bits (PBES1)',
      ['-legacy', '-certpbe', 'PBE-MD5-RC2-64', '-keypbe', 'PBE-SHA1-RC2-64', '-macalg', 'sha256'],
      ['list of certificates is encrypted with RC2 with 64 bits, which anybody opens', 'key is encrypted with RC2'],
    ],
    ['SHA-384 MAC', ['-macalg', 'sha384'], []],
    ['SHA-512 MAC', ['-macalg', 'sha512'], []],
  ] as const)('PFX: %s', (_name, options, weaknesses) =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const pfx = await exportPfx(folder, device, options);
      const { chainPem, privateKeyPem } = device;
      const decoded = await decodePfx(pfx, password);
      expect(decoded).toMatchObject({ chainPem, privateKeyPem });
      expect(decoded.weaknesses).toHaveLength(weaknesses.length);
      for (const [index, words] of weaknesses.entries()) expect(decoded.weaknesses[index]).toContain(words);
      await expectCode(decodePfx(pfx, 'other'), 'ERR_PKI_PASSWORD_WRONG');
    }),
  );

  itWithOpenSsl.each(['camellia-256-cbc', 'aria-128-cbc'])('PFX: not %s, and says so', (cipher) =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const error = await expectCode(
        decodePfx(await exportPfx(folder, device, ['-keypbe', cipher]), password),
        'ERR_PKI_ENCRYPTION_UNSUPPORTED',
      );
      expect(error.message).toContain('OpenSSL 3 without "-legacy"');
    }),
  );

  itWithOpenSsl('PFX: not without MAC, without key, or with a key and no certificate', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const read = async (options: string[]): Promise<unknown> =>
        decodePfx(await exportPfx(folder, device, options), password);
      await expectCode(read(['-nomac']), 'ERR_PKI_PFX_UNREADABLE');
      await expectCode(read(['-nokeys']), 'ERR_PKI_PFX_UNREADABLE');
      await expectCode(read(['-nocerts']), 'ERR_PKI_KEY_MISMATCH');
    }),
  );

  itWithOpenSsl.each([
    ['PKCS#8, encrypted by default', []],
    ['PKCS#8, AES-128', ['-v2', 'aes-128-cbc']],
    ['PKCS#8, triple DES in PBES2', ['-v2', 'des3']],
    ['PKCS#8, scrypt', ['-scrypt']],
    ['PKCS#8, HMAC-SHA-1', ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA1']],
    ['PKCS#8, HMAC-SHA-512', ['-v2prf', 'hmacWithSHA512', '-iter', '1000']],
  ])('key: %s', async (_name, options) => {
    const { device } = await createFactory();
    const args = ['pkcs8', '-topk8', ...options, '-passout', `pass:${password}`];
    const encrypted = openSsl(args, device.privateKeyPem);
    await expect(decryptPrivateKey(encrypted, password)).resolves.toBe(device.privateKeyPem);
    await expectCode(decryptPrivateKey(encrypted, 'other'), 'ERR_PKI_PASSWORD_WRONG');
  });

  itWithOpenSsl.each([
    ['Camellia', ['-v2', 'camellia256']],
    ['ARIA', ['-v2', 'aria-128-cbc']],
  ])('key: not %s, and says so', async (_name, options) => {
    const { device } = await createFactory();
    const args = ['pkcs8', '-topk8', ...options, '-passout', `pass:${password}`];
    await expectCode(
      decryptPrivateKey(openSsl(args, device.privateKeyPem), password),
      'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    );
  });

  itWithOpenSsl('key: EC PRIVATE KEY, and PKCS#8 in the clear', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const keyPath = join(folder, 'key.pem');
      const path = join(folder, 'chain.pem');
      await writeFile(path, device.chainPem);
      for (const options of [['-traditional'], []]) {
        await writeFile(keyPath, openSsl(['pkey', ...options], device.privateKeyPem));
        await expect(readCredential({ path, keyPath })).resolves.toMatchObject({ privateKeyPem: device.privateKeyPem });
      }
    }),
  );

  itWithOpenSsl.each([
    ['P-256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'PEM'],
    ['P-384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'DER'],
    ['RSA-3072', ['rsa:3072'], 'PEM'],
  ])('certificate request: %s', (_name, key, form) =>
    inTemporaryFolder(async (folder) => {
      const { root, line } = await createFactory();
      const [keyPath, path] = [join(folder, 'key.pem'), join(folder, 'csr')];
      const subject = ['-subj', '/O=Elsewhere/CN=thermostat-9', '-addext', 'basicConstraints=critical,CA:TRUE'];
      openSsl(['req', '-newkey', ...key, '-noenc', '-keyout', keyPath, '-out', path, '-outform', form, ...subject]);
      const signed = await signDeviceRequest(
        line,
        form === 'PEM' ? await readFile(path, 'utf8') : await readFile(path),
        { registrationId: 'thermostat-9' },
      );
      expect(signed.subject).toBe('CN=thermostat-9');
      await expect(verifyWithOpenSsl(folder, signed.chainPem, root.certificatePem)).resolves.toMatch(/: OK$/m);
      const publicKey = openSsl(['x509', '-noout', '-pubkey'], signed.certificatePem);
      expect(publicKey).toBe(openSsl(['pkey', '-in', keyPath, '-pubout']));
    }),
  );

  itWithOpenSsl.each([
    ['P-521', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], 'secp521r1'],
    ['Ed25519', ['ed25519'], 'ed25519'],
  ])('certificate request: not %s, and says so', async (_name, key, found) => {
    const { line } = await createFactory();
    const request = openSsl(['req', '-newkey', ...key, '-noenc', '-keyout', '/dev/null', '-subj', '/CN=d1']);
    expect(
      (await expectCode(signDeviceRequest(line, request, { allow: 'any' }), 'ERR_PKI_KEY_ALGORITHM')).message,
    ).toContain(found);
  });

  itWithOpenSsl('an authority made with it, as root of ours', () =>
    inTemporaryFolder(async (folder) => {
      const [keyPath, chainPath] = [join(folder, 'own.key.pem'), join(folder, 'own.chain.pem')];
      const key = ['-newkey', 'rsa:2048', '-keyout', keyPath, '-passout', `pass:${password}`];
      const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
      openSsl(['req', '-x509', ...key, '-out', chainPath, '-days', '30', '-subj', '/O=Contoso/CN=Own Root', ...usage]);
      const root = await loadAuthority({ folder, name: 'own', password });
      expect(root).toMatchObject({ keyAlgorithm: 'RSA-2048', pathLength: undefined, commonName: 'Own Root' });
      const line = await createLineAuthority(root, { lineName: 'Line 1' });
      const { chainPem } = await issueDeviceCertificate(line, { registrationId: 'd1' });
      await expect(verifyWithOpenSsl(folder, chainPem, root.certificatePem)).resolves.toMatch(/: OK$/m);
      await expect(verifyChain({ chainPem, trustedRootsPem: root.certificatePem })).resolves.toMatchObject({
        problems: [],
      });
    }),
  );
});

/** Everything that one key algorithm can be used for: issue, verify, save, load, sign again. */
async function checkAlgorithm(folder: string, keyAlgorithm: KeyAlgorithm, signature: string, key: string) {
  const root = await createRootAuthority({ commonName: 'Contoso Root CA', keyAlgorithm });
  const line = await createLineAuthority(root, { lineName: 'Line 1', keyAlgorithm });
  await saveAuthority(line, { folder, name: 'line', password });
  const loaded = await loadAuthority({ folder, name: 'line', password });
  const device = await issueDeviceCertificate(loaded, { registrationId: 'thermostat-1', keyAlgorithm });
  await expect(verifyWithOpenSsl(folder, device.chainPem, root.certificatePem)).resolves.toMatch(/: OK$/m);
  await expect(
    verifyChain({ chainPem: device.chainPem, trustedRootsPem: root.certificatePem, registrationId: 'thermostat-1' }),
  ).resolves.toEqual({ isValid: true, problems: [] });
  for (const { certificatePem } of [root, line, device]) {
    const text = openSsl(['x509', '-noout', '-text'], certificatePem);
    expect(text).toContain(`Signature Algorithm: ${signature}`);
    expect(text).toContain(key);
  }
  expect(createPublicKey(device.privateKeyPem).equals(createPublicKey(device.certificatePem))).toBe(true);
  const { pfxPath } = await saveDevice(device, { folder, password });
  expect(onlyPem(openSsl(['pkcs12', '-in', pfxPath, ...pass, '-nocerts', '-noenc']))).toBe(device.privateKeyPem);
  const { privateKeyPem } = await readCredential({ path: pfxPath, password });
  expect(privateKeyPem).toBe(device.privateKeyPem);
  const proof = await createProofOfPossession(root, 'CODE-1');
  const proofChain = proof.certificatePem + root.certificatePem;
  await expect(verifyWithOpenSsl(folder, proofChain, root.certificatePem)).resolves.toMatch(/: OK$/m);
}

/** Strict (RFC 5280), as a TLS server would check its client. */
async function verifyWithOpenSsl(folder: string, chainPem: string, rootPem: string): Promise<string> {
  const [chain, root] = [join(folder, 'verify-chain.pem'), join(folder, 'verify-root.pem')];
  await writeFile(chain, chainPem);
  await writeFile(root, rootPem);
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', root, '-untrusted', chain];
  return openSsl(['verify', '-x509_strict', '-purpose', 'sslclient', ...trust, chain]);
}

async function exportPfx(
  folder: string,
  device: { chainPem: string; privateKeyPem: string },
  options: readonly string[],
): Promise<Uint8Array> {
  const [chain, key, pfx] = ['chain.pem', 'key.pem', 'out.pfx'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(chain, device.chainPem);
  await writeFile(key, device.privateKeyPem, { mode: 0o600 });
  const output = ['-out', pfx, '-passout', `pass:${password}`];
  openSsl(['pkcs12', '-export', '-in', chain, '-inkey', key, ...output, ...options]);
  return readFile(pfx);
}

function onlyPem(text: string): string {
  return (text.match(/-----BEGIN [^]*?-----END [^-]*-----\n/g) ?? []).join('');
}
