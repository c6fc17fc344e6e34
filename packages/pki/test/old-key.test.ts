import { describe, expect } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { decryptPrivateKey, loadAuthority, openSoftwareKey, readCredential, saveAuthority } from '../src/index.ts';
import { decodePem, encodePem } from '../src/pem.ts';
import { initFolder, passwords, runCommand } from './command-runner.ts';
import { createFactory, expectCode, inTemporaryFolder, password } from './fixtures.ts';
import { mutate } from './mutation.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

/** Encrypts as tools did before PBES2: OpenSSL's legacy provider. */
function encryptOld(keyPem: string, scheme: string, { secret = password, iterations = 2048 } = {}): string {
  const options = ['-v1', scheme, '-iter', String(iterations), '-provider', 'default', '-provider', 'legacy'];
  return openSsl(['pkcs8', '-topk8', ...options, '-passout', `pass:${secret}`], keyPem);
}

const guessed = 'under a key from SHA-1: passwords are guessed fast';
const opened = 'which anybody opens without the password';
const schemes = [
  ['PBE-SHA1-3DES', `triple DES ${guessed}`],
  ['PBE-SHA1-2DES', `triple DES ${guessed}`],
  ['PBE-SHA1-RC2-128', `RC2, which was given up long ago, ${guessed}`],
  ['PBE-SHA1-RC2-40', `RC2 with 40 bits, ${opened}`],
  ['PBE-SHA1-RC4-128', `RC4, which is broken, ${guessed}`],
  ['PBE-SHA1-RC4-40', `RC4 with 40 bits, ${opened}`],
  ['PBE-MD5-DES', `DES with 56 bits, ${opened}`],
  ['PBE-SHA1-DES', `DES with 56 bits, ${opened}`],
  ['PBE-MD5-RC2-64', `RC2 with 64 bits, ${opened}`],
  ['PBE-SHA1-RC2-64', `RC2 with 64 bits, ${opened}`],
] as const;
const again = 'encrypt it again (encryptPrivateKey, or "openssl pkcs8 -topk8" without "-v1"), or make a new key';

/** What decryptPrivateKey says of weaknesses. */
async function openOld(pem: string, secret = password): Promise<{ keyPem: string; weaknesses: string[] }> {
  const weaknesses: string[] = [];
  const keyPem = await decryptPrivateKey(pem, secret, { onWeakness: (sentence) => weaknesses.push(sentence) });
  return { keyPem, weaknesses };
}

itSaysWhetherOpenSslIsThere();

describe('a key that was encrypted before PBES2', () => {
  itWithOpenSsl.each(schemes)('is read, and its weakness told: %s', async (scheme, weakness) => {
    const { device } = await createFactory();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
    for (const [keyPem, secret] of [
      [device.privateKeyPem, password],
      [rsa as string, 'Pässwort'],
    ] as const) {
      const encrypted = encryptOld(keyPem, scheme, { secret });
      await expect(openOld(encrypted, secret)).resolves.toEqual({
        keyPem,
        weaknesses: [`Its key is encrypted with ${weakness}; ${again}.`],
      });
      const error = await expectCode(decryptPrivateKey(encrypted, 'not-Sesame'), 'ERR_PKI_PASSWORD_WRONG');
      expect(inspect(error, { depth: 9 })).not.toContain('Sesame');
      await expectCode(decryptPrivateKey(encrypted, ''), 'ERR_PKI_PASSWORD_EMPTY');
    }
  });

  itWithOpenSsl('is opened without a word where nobody listens, and one of today gives no reason for any', async () => {
    const { device } = await createFactory();
    const { privateKeyPem } = device;
    await expect(decryptPrivateKey(encryptOld(privateKeyPem, 'PBE-MD5-DES'), password)).resolves.toBe(privateKeyPem);
    const today = openSsl(['pkcs8', '-topk8', '-passout', `pass:${password}`], privateKeyPem);
    await expect(openOld(today)).resolves.toEqual({ keyPem: privateKeyPem, weaknesses: [] });
  });

  itWithOpenSsl('has few iterations, which is told, or absurdly many, which are not done', async () => {
    const { device } = await createFactory();
    const { weaknesses } = await openOld(encryptOld(device.privateKeyPem, 'PBE-SHA1-3DES', { iterations: 999 }));
    expect(weaknesses[1]).toBe(
      `Its password is hardened with 999 iterations only, so that it is guessed fast; ${again}.`,
    );
    const costly = encryptOld(device.privateKeyPem, 'PBE-SHA1-3DES', { iterations: 1_000_001 });
    const error = await expectCode(decryptPrivateKey(costly, password), 'ERR_PKI_ENCRYPTION_UNSUPPORTED');
    expect(error.message).toContain("Can't open the private key: it asks for 1000001 iterations");
  });

  itWithOpenSsl("is a device's, and an authority's", () =>
    inTemporaryFolder(async (folder) => {
      const { root, device } = await createFactory();
      const [path, keyPath] = [join(folder, 'chain.pem'), join(folder, 'key.pem')];
      await writeFile(path, device.chainPem);
      await writeFile(keyPath, encryptOld(device.privateKeyPem, 'PBE-SHA1-RC2-40'));
      const { privateKeyPem, weaknesses } = await readCredential({ path, keyPath, password });
      expect(privateKeyPem).toBe(device.privateKeyPem);
      expect(weaknesses).toEqual([expect.stringContaining('RC2 with 40 bits') as unknown]);

      const { keyPath: rootKeyPath = '' } = await saveAuthority(root, { folder, name: 'root', password });
      const old = encryptOld(await decryptPrivateKey(await readFile(rootKeyPath, 'utf8'), password), 'PBE-SHA1-3DES');
      await writeFile(rootKeyPath, old);
      const told: string[] = [];
      const onWeakness = (sentence: string): void => void told.push(sentence);
      const loaded = await loadAuthority({ folder, name: 'root', password, onWeakness });
      const key = await openSoftwareKey(old, password, { onWeakness });
      expect(loaded.certificatePem).toBe(root.certificatePem);
      expect(key.publicKeyDer).toEqual(loaded.key.publicKeyDer);
      expect(told).toEqual(Array(2).fill(expect.stringContaining('triple DES')));
    }),
  );

  itWithOpenSsl(
    "is a line's, of which contoso-pki warns",
    () =>
      inTemporaryFolder(async (folder) => {
        await initFolder(folder);
        const keyPath = join(folder, 'pki', 'line-1.key.pem');
        const secret = passwords.LINE_PASSWORD;
        const keyPem = await decryptPrivateKey(await readFile(keyPath, 'utf8'), secret);
        await writeFile(keyPath, encryptOld(keyPem, 'PBE-SHA1-3DES', { secret }));
        const { exitCode, stderr, lines } = await runCommand(folder, ['crl', '--line', 'line-1', '--json']);
        expect([exitCode, lines.length]).toEqual([0, 1]);
        expect(stderr).toContain(`${join('pki', 'line-1.key.pem')}: Its key is encrypted with triple DES`);
      }),
    60_000,
  );

  itWithOpenSsl('is not read in the form before PKCS#8, and the message says what to do', () =>
    inTemporaryFolder(async (folder) => {
      const { device } = await createFactory();
      const options = ['-traditional', '-aes256', '-passout', `pass:${password}`];
      const older = openSsl(['pkey', ...options], device.privateKeyPem);
      expect(older).toContain('Proc-Type: 4,ENCRYPTED');
      const [path, keyPath] = [join(folder, 'chain.pem'), join(folder, 'key.pem')];
      await writeFile(path, device.chainPem);
      await writeFile(keyPath, older);
      for (const open of [decryptPrivateKey(older, password), readCredential({ path, keyPath, password })]) {
        expect((await expectCode(open, 'ERR_PKI_KEY_UNREADABLE')).message).toContain('openssl pkcs8 -topk8');
      }
    }),
  );

  itWithOpenSsl('by the hundred, malformed', async () => {
    const { device } = await createFactory();
    for (const scheme of ['PBE-SHA1-3DES', 'PBE-SHA1-RC4-128', 'PBE-MD5-RC2-64']) {
      const [block] = decodePem(encryptOld(device.privateKeyPem, scheme));
      for (const { bytes } of mutate(Buffer.from(block?.der ?? []), 200, 5)) {
        const answer = await decryptPrivateKey(encodePem('ENCRYPTED PRIVATE KEY', bytes), password).catch(
          (error: unknown) => (error as { code?: string }).code ?? String(error),
        );
        expect(answer).toMatch(/^(?:ERR_PKI_(?:KEY_UNREADABLE|PASSWORD_WRONG|ENCRYPTION_UNSUPPORTED)$|-----BEGIN)/);
      }
    }
  });
});
