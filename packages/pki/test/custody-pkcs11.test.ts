import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { openPkcs11Token, type Pkcs11Token } from '../src/custody/pkcs11.ts';
import {
  createLineAuthority,
  createRootAuthority,
  encryptPrivateKey,
  isSoftwareKey,
  issueDeviceCertificate,
  loadAuthority,
  saveAuthority,
  verifyChain,
  type KeyAlgorithm,
  type PkiError,
} from '../src/index.ts';
import { expectCode, inTemporaryFolder } from './fixtures.ts';
import { openSsl } from './openssl-cli.ts';
import { itSaysWhetherSoftHsmIsThere, itWithPkcs11Tool, itWithSoftHsm, withToken, type TestToken } from './softhsm.ts';

/** As `npm run build` made it, since Node itself can't run the source. */
const built = new URL('../dist/custody/pkcs11.js', import.meta.url);

async function withOpenToken(run: (token: Pkcs11Token, location: TestToken) => Promise<void>): Promise<void> {
  await withToken(async (location) => {
    const token = await openPkcs11Token(location);
    try {
      await run(token, location);
    } finally {
      await token.close();
    }
  });
}

/** What a log would show of an error, however it is written. */
function shown(error: PkiError): string {
  const cause = error.cause as Error | undefined;
  return [
    inspect(error, { depth: 9, showHidden: true }),
    JSON.stringify(error, Object.getOwnPropertyNames(error)),
    error.stack,
    cause?.stack,
  ].join('\n');
}

describe('a key in a PKCS#11 token', () => {
  itSaysWhetherSoftHsmIsThere();

  itWithSoftHsm.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('signs: %s', (keyAlgorithm) =>
    withOpenToken(async (token) => {
      const key = await token.generateKey({ label: 'line-1', keyAlgorithm });
      expect(key.keyAlgorithm).toBe(keyAlgorithm);
      expect(isSoftwareKey(key)).toBe(false);
      const data = Buffer.from('what is signed');
      const publicKey = createPublicKey({ key: Buffer.from(key.publicKeyDer), format: 'der', type: 'spki' });
      const hash = keyAlgorithm === 'P-384' ? 'sha384' : 'sha256';
      // Several at once, on a session that can do one thing at a time; short r and s among them.
      const signatures = await Promise.all(Array.from({ length: 100 }, () => key.sign(data)));
      for (const signature of signatures) expect(verify(hash, data, publicKey, signature)).toBe(true);
    }),
  );

  itWithPkcs11Tool('is made so that it can not be taken out, and is used for signing only', () =>
    withOpenToken(async (token, { modulePath, pin, env }) => {
      const key = await token.generateKey({ label: 'line-1', id: 'abcd' });
      await expectCode(encryptPrivateKey(key, 'password'), 'ERR_PKI_KEY_NOT_EXPORTABLE');
      const list = ['--module', modulePath, '--login', '--pin', pin, '--list-objects', '--type', 'privkey'];
      const found = execFileSync('pkcs11-tool', list, { env, encoding: 'utf8', stdio: 'pipe' });
      expect(found).toMatch(/ID:\s+abcd/);
      expect(found).toMatch(/Usage:\s+sign\n/);
      expect(found).toMatch(/Access:\s+sensitive, always sensitive, never extract/);
    }),
  );

  itWithSoftHsm('is found again by label, by ID, and by both', () =>
    withToken(async (location) => {
      const first = await openPkcs11Token(location);
      const made = await first.generateKey({ label: 'line-1', id: '0a' });
      const other = await first.generateKey({ label: 'line-2', id: '0b' });
      await first.close();
      await first.close();
      const again = await openPkcs11Token(location);
      for (const name of [{ label: 'line-1' }, { id: '0A' }, { label: 'line-1', id: '0a' }]) {
        expect((await again.openKey(name)).publicKeyDer).toEqual(made.publicKeyDer);
      }
      expect((await again.openKey({ label: 'line-2' })).publicKeyDer).toEqual(other.publicKeyDer);
      await again.close();
    }),
  );

  itWithSoftHsm('is the key of a line authority, whose devices OpenSSL verifies', () =>
    withOpenToken((token) =>
      inTemporaryFolder(async (folder) => {
        const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
        const key = await token.generateKey({ label: 'line-1', keyAlgorithm: 'P-384' });
        const made = await createLineAuthority(root, { lineName: 'Line 1', key });
        const paths = await saveAuthority(made, { folder, name: 'line-1' });
        expect(paths.keyPath).toBeUndefined();
        const line = await loadAuthority({ folder, name: 'line-1', key: await token.openKey({ label: 'line-1' }) });
        const device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
        await expect(
          verifyChain({ chainPem: device.chainPem, trustedRootsPem: root.certificatePem }),
        ).resolves.toMatchObject({ isValid: true });
        const file = (name: string): string => join(folder, name);
        await writeFile(file('root.pem'), root.certificatePem);
        await writeFile(file('line.pem'), line.certificatePem);
        await writeFile(file('device.pem'), device.certificatePem);
        const args = ['-x509_strict', '-purpose', 'sslclient', '-CAfile', file('root.pem')];
        expect(openSsl(['verify', ...args, '-untrusted', file('line.pem'), file('device.pem')])).toContain(': OK');
      }),
    ),
  );

  itWithSoftHsm("fail: another key than the authority's", () =>
    withOpenToken((token) =>
      inTemporaryFolder(async (folder) => {
        const root = await createRootAuthority({ commonName: 'Root', key: await token.generateKey({ label: 'root' }) });
        await saveAuthority(root, { folder, name: 'root' });
        const key = await token.generateKey({ label: 'other' });
        await expectCode(loadAuthority({ folder, name: 'root', key }), 'ERR_PKI_KEY_MISMATCH');
      }),
    ),
  );
});

describe('a PKCS#11 token refuses', () => {
  itWithSoftHsm('a wrong PIN, and the message repeats neither', () =>
    withToken(async (location) => {
      const error = await expectCode(openPkcs11Token({ ...location, pin: 'not-Sesame' }), 'ERR_PKI_CUSTODY_DENIED');
      expect(error.message).toBe(
        `Token "Factory" doesn't take this PIN. Check the credentials, and stop before too many failures lock them.`,
      );
      expect(shown(error)).not.toContain('Sesame');
      const short = await expectCode(openPkcs11Token({ ...location, pin: 'x' }), 'ERR_PKI_CUSTODY_DENIED');
      expect(short.cause).toBeDefined();
      const token = await openPkcs11Token(location);
      expect(inspect(token, { depth: 9, showHidden: true })).not.toContain('Sesame');
      expect(JSON.stringify(token)).toBe('{}');
      await token.close();
    }),
  );

  itWithSoftHsm('a token that is not there, and names those that are', () =>
    withToken(async (location) => {
      const error = await expectCode(
        openPkcs11Token({ ...location, tokenLabel: 'Fab' }),
        'ERR_PKI_CUSTODY_UNAVAILABLE',
      );
      expect(error.message).toContain('has no token "Fab" (found: "Factory"');
      expect(shown(error)).not.toContain('Sesame');
    }),
  );

  it('a module that is not there, or is none', async () => {
    const location = { tokenLabel: 'Factory', pin: '73-Sesame-4711' };
    const missing = await expectCode(
      openPkcs11Token({ ...location, modulePath: '/nowhere/module.so' }),
      'ERR_PKI_CUSTODY_UNAVAILABLE',
    );
    expect(shown(missing)).not.toContain('Sesame');
  });

  (existsSync(built) ? it : it.skip)('to be opened without the package pkcs11js, or where it was not built', () => {
    const script = `
      const { openPkcs11Token } = await import(${JSON.stringify(built.href)});
      const location = { modulePath: '/nowhere/module.so', tokenLabel: 'Factory', pin: 'Sesame' };
      console.log(await openPkcs11Token(location).catch(({ code, message }) => code + ' ' + message));
    `;
    // Native code is not loaded at all then.
    const args = ['--no-warnings', '--no-addons', '--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, args, { encoding: 'utf8', env: {} });
    expect(output).toContain(`ERR_PKI_CUSTODY_UNAVAILABLE The package "pkcs11js" isn't installed, or wasn't built.`);
  });

  itWithSoftHsm('a file that is no module', async () => {
    const modulePath = new URL(import.meta.url).pathname;
    const location = { tokenLabel: 'Factory', pin: '73-Sesame-4711', modulePath };
    const error = await expectCode(openPkcs11Token(location), 'ERR_PKI_CUSTODY_UNAVAILABLE');
    expect(error.message).toContain('is no PKCS#11 library');
  });

  itWithSoftHsm('a key that is not there, or is not the only one', () =>
    withOpenToken(async (token) => {
      await token.generateKey({ label: 'line-1', id: '01' });
      await token.generateKey({ label: 'line-2', id: '01' });
      const missing = await expectCode(token.openKey({ label: 'line-9' }), 'ERR_PKI_CUSTODY_KEY_MISSING');
      expect(missing.message).toContain('has no private key that is called "line-9"');
      const several = await expectCode(token.openKey({ id: '01' }), 'ERR_PKI_CUSTODY_KEY_MISSING');
      expect(several.message).toContain('has 2 private keys, and not one, that is called ID 01');
      await expect(token.openKey({})).rejects.toThrow(TypeError);
      await expect(token.openKey({ id: 'xy' })).rejects.toThrow(TypeError);
    }),
  );

  itWithSoftHsm('a second key of one label', () =>
    withOpenToken(async (token) => {
      await token.generateKey({ label: 'line-1' });
      await expectCode(token.generateKey({ label: 'line-1' }), 'ERR_PKI_CUSTODY_KEY_EXISTS');
      await expectCode(
        token.generateKey({ label: 'line-2', keyAlgorithm: 'P-521' as KeyAlgorithm }),
        'ERR_PKI_KEY_ALGORITHM',
      );
    }),
  );

  itWithSoftHsm('to sign after it was closed', () =>
    withToken(async (location) => {
      const token = await openPkcs11Token(location);
      const key = await token.generateKey({ label: 'line-1' });
      const underWay = key.sign(Buffer.from('begun before'));
      await token.close();
      await expect(underWay).resolves.toBeInstanceOf(Uint8Array);
      await expectCode(key.sign(Buffer.from('begun after')), 'ERR_PKI_CUSTODY_UNAVAILABLE');
    }),
  );

  itWithPkcs11Tool('a key that was deleted meanwhile: whatever else the module says comes as one of our errors', () =>
    withOpenToken(async (token, { modulePath, pin, env }) => {
      const key = await token.generateKey({ label: 'line-1' });
      const remove = ['--delete-object', '--type', 'privkey', '--label', 'line-1'];
      execFileSync('pkcs11-tool', ['--module', modulePath, '--login', '--pin', pin, ...remove], { env, stdio: 'pipe' });
      const error = await expectCode(key.sign(Buffer.from('x')), 'ERR_PKI_CUSTODY_FAILED');
      expect(error.message).toMatch(/Token "Factory" failed while signing: CKR_/);
    }),
  );
});
