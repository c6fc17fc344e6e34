import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createPrivateKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  decodePfx,
  decryptPrivateKey,
  encodePfx,
  encryptPrivateKey,
  readCredential,
  saveDevice,
} from '../src/index.ts';
import { createFactory, inTemporaryFolder } from './fixtures.ts';
import { countSeen, piecesSeen, watchMemory } from './memory-watch.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const password = 'Sesame-é-17, and long enough not to be found by chance';
const { device } = await createFactory();
const { privateKeyPem } = device;
const privateNumber = Buffer.from(createPrivateKey(privateKeyPem).export({ format: 'jwk' }).d ?? '', 'base64url');

beforeEach(watchMemory);
afterEach(() => void jest.restoreAllMocks());

/** Of strings nothing can be wiped: these are octets. */
function expectNothingLeft(): void {
  expect(piecesSeen()).toBeGreaterThan(1);
  const bmp = Buffer.from(password, 'utf16le').swap16();
  const counts = [privateNumber, Buffer.from(password), bmp].map((secret) => countSeen(secret));
  expect({ key: counts[0], password: counts[1], bmpPassword: counts[2] }).toEqual({
    key: 0,
    password: 0,
    bmpPassword: 0,
  });
}

describe('octets of keys and passwords are wiped', () => {
  itSaysWhetherOpenSslIsThere();

  it.each(['PBKDF2', 'scrypt'] as const)('encrypted key, %s', async (keyDerivation) => {
    const pem = await encryptPrivateKey(privateKeyPem, password, { keyDerivation });
    expectNothingLeft();
    await decryptPrivateKey(pem, password);
    expectNothingLeft();
  });

  it('PFX', async () => {
    const pfx = await encodePfx({ ...device, password });
    expectNothingLeft();
    await decodePfx(pfx, password);
    expectNothingLeft();
  });

  it("a device's files", () =>
    inTemporaryFolder(async (folder) => {
      const { pfxPath, chainPath, keyPath = '' } = await saveDevice(device, { folder, password, keyPem: true });
      await readCredential({ path: pfxPath, password });
      await readCredential({ path: chainPath, keyPath });
      expectNothingLeft();
    }));

  itWithOpenSsl.each([
    ['triple DES', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['triple DES with two keys', ['-keypbe', 'PBE-SHA1-2DES']],
    ['RC2', ['-legacy', '-certpbe', 'PBE-SHA1-RC2-40', '-keypbe', 'PBE-SHA1-RC2-128']],
    ['RC4', ['-legacy', '-certpbe', 'PBE-SHA1-RC4-40', '-keypbe', 'PBE-SHA1-RC4-128']],
    ['PBES1', ['-legacy', '-certpbe', 'PBE-MD5-DES', '-keypbe', 'PBE-SHA1-DES']],
    ['no encryption of the key', ['-keypbe', 'NONE']],
  ])('PFX of old, %s', (_name, options) =>
    inTemporaryFolder(async (folder) => {
      const [pem, pfx] = [join(folder, 'all.pem'), join(folder, 'old.pfx')];
      await writeFile(pem, privateKeyPem + device.chainPem);
      openSsl(['pkcs12', '-export', '-in', pem, '-out', pfx, '-passout', `pass:${password}`, ...options]);
      expect((await decodePfx(await readFile(pfx), password)).privateKeyPem).toBe(privateKeyPem);
      expectNothingLeft();
    }),
  );
});
