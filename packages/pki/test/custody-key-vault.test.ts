import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { inspect } from 'node:util';
import { createKeyVaultKey, openKeyVaultKey } from '../src/custody/key-vault.ts';
import {
  createLineAuthority,
  createRootAuthority,
  encryptPrivateKey,
  issueDeviceCertificate,
  openAuthority,
  verifyChain,
  type KeyAlgorithm,
} from '../src/index.ts';
import { expectCode } from './fixtures.ts';
import { KeyVaultServer } from './key-vault-server.ts';

const server = new KeyVaultServer();
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.requests.length = 0;
  server.failures.length = 0;
});

/** Everything that can be reached from an error, however it is written down. */
function everythingIn(error: unknown): string {
  const seen = new Set<unknown>();
  const collect = (value: unknown): string => {
    if (typeof value !== 'object' || value === null) return String(value);
    if (seen.has(value)) return '';
    seen.add(value);
    return Reflect.ownKeys(value)
      .map((key) => `${String(key)}: ${collect((value as Record<PropertyKey, unknown>)[key])}`)
      .join('\n');
  };
  return [collect(error), inspect(error, { depth: 9, showHidden: true }), JSON.stringify(error)].join('\n');
}

describe('a key in Azure Key Vault', () => {
  it.each<[KeyAlgorithm, string]>([
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['RSA-2048', 'sha256'],
  ])('is made there and signs: %s', async (keyAlgorithm, hash) => {
    const name = `made-${keyAlgorithm}`;
    const key = await createKeyVaultKey({ vaultUrl: server.url, name, keyAlgorithm, ...server.caller() });
    expect(key).toMatchObject({ keyAlgorithm, keyId: expect.stringContaining(`${server.url}/keys/${name}/`) });
    const data = Buffer.from('what is signed');
    const publicKey = createPublicKey({ key: Buffer.from(key.publicKeyDer), format: 'der', type: 'spki' });
    for (let count = 0; count < 40; count += 1) {
      expect(verify(hash, data, publicKey, await key.sign(data))).toBe(true);
    }
    expect(server.requests.slice(0, 3)).toEqual([
      `GET /keys/${name}/`,
      `POST /keys/${name}/create`,
      `POST /keys/${name}/${key.keyId.split('/').at(-1) ?? ''}/sign`,
    ]);
    await expectCode(encryptPrivateKey(key, 'password'), 'ERR_PKI_KEY_NOT_EXPORTABLE');
  });

  it('is the key of a root and of a line authority', async () => {
    const make = (name: string): ReturnType<typeof createKeyVaultKey> =>
      createKeyVaultKey({ vaultUrl: server.url, name, ...server.caller() });
    const rootKey = await make('root');
    const root = await createRootAuthority({ commonName: 'Root', key: rootKey });
    const lineKey = await make('line-1');
    const { chainPem } = await createLineAuthority(root, { lineName: 'Line 1', key: lineKey });
    const key = await openKeyVaultKey({ keyId: lineKey.keyId, ...server.caller() });
    const line = openAuthority({ chainPem, key });
    const device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
    await expect(
      verifyChain({ chainPem: device.chainPem, trustedRootsPem: root.certificatePem }),
    ).resolves.toMatchObject({ isValid: true });
  });

  it('keeps to the version that it was opened with', async () => {
    server.add('rolled', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const first = await openKeyVaultKey({ keyId: `${server.url}/keys/rolled`, ...server.caller() });
    server.add('rolled', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    await first.sign(Buffer.from('x'));
    expect(server.requests.at(-1)).toBe(`POST /keys/rolled/${first.keyId.split('/').at(-1) ?? ''}/sign`);
    const second = await openKeyVaultKey({ keyId: `${server.url}/keys/rolled`, ...server.caller() });
    expect(second.keyId).not.toBe(first.keyId);
    await expect(openKeyVaultKey({ keyId: first.keyId, ...server.caller() })).resolves.toMatchObject({
      publicKeyDer: first.publicKeyDer,
    });
  });

  it('is tried again when the vault takes no more requests, after the time that it names', async () => {
    server.add('busy', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const key = await openKeyVaultKey({ keyId: `${server.url}/keys/busy`, ...server.caller() });
    server.failures.push({ status: 429, code: 'Throttled', headers: { 'retry-after': '0' } });
    await expect(key.sign(Buffer.from('x'))).resolves.toBeInstanceOf(Uint8Array);
    expect(server.requests.filter((request) => request.endsWith('/sign'))).toHaveLength(2);
  });
});

describe('Azure Key Vault refuses', () => {
  it('a token that is not good, and no error holds any token', async () => {
    const token = 'not-the-token';
    const error = await expectCode(
      openKeyVaultKey({ keyId: `${server.url}/keys/any`, ...server.caller(token) }),
      'ERR_PKI_CUSTODY_DENIED',
    );
    expect(error.message).toContain('doesn\'t let these credentials do this (while reading key "any": 401');
    expect(everythingIn(error)).not.toContain(token);
    server.failures.push({ status: 403, code: 'Forbidden' });
    const denied = await expectCode(
      openKeyVaultKey({ keyId: `${server.url}/keys/any`, ...server.caller() }),
      'ERR_PKI_CUSTODY_DENIED',
    );
    expect(everythingIn(denied)).toContain('403');
    expect(everythingIn(denied)).not.toContain(server.token);
  });

  it('a credential that gives no token', async () => {
    const credential = {
      getToken: async () => {
        throw Object.assign(new Error('no account'), { name: 'CredentialUnavailableError' });
      },
    };
    await expectCode(
      openKeyVaultKey({ keyId: `${server.url}/keys/any`, ...server.caller(), credential }),
      'ERR_PKI_CUSTODY_DENIED',
    );
  });

  it('a key that is not there', async () => {
    const error = await expectCode(
      openKeyVaultKey({ keyId: `${server.url}/keys/none`, ...server.caller() }),
      'ERR_PKI_CUSTODY_KEY_MISSING',
    );
    expect(error.message).toContain('has no such key (while reading key "none": 404 KeyNotFound)');
    await expect(openKeyVaultKey({ keyId: 'https://vault/none', ...server.caller() })).rejects.toThrow(TypeError);
  });

  it('a second key of one name, which would be a new version, and the name of a deleted one', async () => {
    const options = { vaultUrl: server.url, name: 'twice', ...server.caller() };
    await createKeyVaultKey(options);
    await expectCode(createKeyVaultKey(options), 'ERR_PKI_CUSTODY_KEY_EXISTS');
    server.failures.push({ status: 404, code: 'KeyNotFound' }, { status: 409, code: 'Conflict' });
    await expectCode(createKeyVaultKey({ ...options, name: 'deleted' }), 'ERR_PKI_CUSTODY_KEY_EXISTS');
  });

  it('for too long, or is not reached', async () => {
    server.add('down', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const key = await openKeyVaultKey({ keyId: `${server.url}/keys/down`, ...server.caller() });
    const throttled = { status: 429, code: 'Throttled', headers: { 'retry-after': '0' } };
    server.failures.push(...Array.from({ length: 12 }, () => throttled));
    const error = await expectCode(key.sign(Buffer.from('x')), 'ERR_PKI_CUSTODY_UNAVAILABLE');
    expect(error.message).toContain('takes no more requests for now (while signing: 429 Throttled)');
    server.failures.length = 0;
    server.failures.push(...Array.from({ length: 12 }, () => ({ status: 503, code: 'Unavailable' })));
    await expectCode(key.sign(Buffer.from('x')), 'ERR_PKI_CUSTODY_UNAVAILABLE');
    server.failures.length = 0;
    const nobody = { keyId: 'https://localhost:1/keys/any', ...server.caller() };
    await expectCode(openKeyVaultKey(nobody), 'ERR_PKI_CUSTODY_UNAVAILABLE');
  });

  it('anything else', async () => {
    server.add('odd', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const key = await openKeyVaultKey({ keyId: `${server.url}/keys/odd`, ...server.caller() });
    server.failures.push({ status: 400, code: 'BadParameter' });
    await expectCode(key.sign(Buffer.from('x')), 'ERR_PKI_CUSTODY_FAILED');
  });

  it.each(['P-521', 'secp256k1'])('to be of use with a key of kind %s', async (namedCurve) => {
    server.add(`kind-${namedCurve}`, generateKeyPairSync('ec', { namedCurve }).privateKey);
    await expectCode(
      openKeyVaultKey({ keyId: `${server.url}/keys/kind-${namedCurve}`, ...server.caller() }),
      'ERR_PKI_KEY_ALGORITHM',
    );
  });
});
