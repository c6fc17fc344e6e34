import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { TokenCredential } from '@azure/core-auth';
import type * as KeyVaultLibrary from '@azure/keyvault-keys';
import type { CryptographyClient, KeyClient, KeyClientOptions, KeyVaultKey } from '@azure/keyvault-keys';
import { PkiError } from '../errors.ts';
import { keyAlgorithmOf, keyAlgorithmTerms, type KeyAlgorithm } from '../key-algorithm.ts';
import { publicKeyToDer } from '../private-key.ts';
import type { SigningKey } from '../signing-key.ts';
import { custodyError } from './custody-error.ts';
import { ecdsaSignatureToDer } from './ecdsa-signature.ts';
import { fromKeyVault } from './key-vault-error.ts';

export type { KeyAlgorithm } from '../key-algorithm.ts';
export type { SigningKey } from '../signing-key.ts';

/** A key in Azure Key Vault or Managed HSM. */
export interface KeyVaultSigningKey extends SigningKey {
  /** `https://{vault}/keys/{name}/{version}`: what openKeyVaultKey takes. No secret. */
  readonly keyId: string;
}

/** What createKeyVaultKey takes. */
export interface KeyVaultKeyOptions {
  /** `https://{name}.vault.azure.net`, or a managed HSM's address. */
  vaultUrl: string;
  /** 1 to 127 letters, digits and hyphens; no key of that name may be there. */
  name: string;
  /** For example DefaultAzureCredential of `@azure/identity`; needs the rights keys/get, keys/create and keys/sign. */
  credential: TokenCredential;
  /** Default P-256. */
  keyAlgorithm?: KeyAlgorithm;
  /** In a hardware module (`EC-HSM`, `RSA-HSM`; Premium vaults and managed HSMs); default false. */
  isInHsm?: boolean;
  /** Retries, proxy and such, as `@azure/keyvault-keys` takes them. It waits as long as Retry-After says by itself. */
  clientOptions?: KeyClientOptions;
}

/** What openKeyVaultKey takes. */
export interface KeyVaultKeyLocation {
  /** `https://{vault}/keys/{name}/{version}`. Without a version the newest one is taken, and kept to from then on. */
  keyId: string;
  /** Needs the rights keys/get and keys/sign. */
  credential: TokenCredential;
  /** As with createKeyVaultKey. */
  clientOptions?: KeyClientOptions;
}

/**
 * Makes a key in Azure Key Vault that signs, verifies, and can't be exported.
 *
 * @throws {PkiError} ERR_PKI_CUSTODY_KEY_EXISTS: one of that name is there (Key Vault would add a version to it), or is
 * deleted and can still be recovered
 * @throws {PkiError} ERR_PKI_CUSTODY_DENIED (401, 403), ERR_PKI_CUSTODY_UNAVAILABLE (429 and 5xx when all retries are used
 * up, no connection, `@azure/keyvault-keys` not installed), ERR_PKI_CUSTODY_FAILED
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export async function createKeyVaultKey(options: KeyVaultKeyOptions): Promise<KeyVaultSigningKey> {
  const { vaultUrl, name, credential, clientOptions } = options;
  const library = await importLibrary();
  const place = `Key vault ${vaultUrl}`;
  const client = new library.KeyClient(vaultUrl, credential, clientOptions);
  try {
    if (await isKeyThere(client, name)) {
      throw custodyError('ERR_PKI_CUSTODY_KEY_EXISTS', place, `has a key "${name}" already`);
    }
    return signingKey(library, await createKey(client, options), options);
  } catch (error) {
    throw fromKeyVault(error, place, `making key "${name}"`);
  }
}

/**
 * Takes a key in Azure Key Vault as an authority's key. Its public half is read once; each signature is one request.
 *
 * @throws {PkiError} ERR_PKI_CUSTODY_KEY_MISSING (404)
 * @throws {PkiError} ERR_PKI_CUSTODY_DENIED (401, 403), ERR_PKI_CUSTODY_UNAVAILABLE (429 and 5xx when all retries are used
 * up, no connection, `@azure/keyvault-keys` not installed), ERR_PKI_CUSTODY_FAILED; signing throws them too
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM: a kind of key that isn't supported
 */
export async function openKeyVaultKey(location: KeyVaultKeyLocation): Promise<KeyVaultSigningKey> {
  const { keyId, credential, clientOptions } = location;
  const library = await importLibrary();
  const { vaultUrl, name, version } = readKeyId(library, keyId);
  const client = new library.KeyClient(vaultUrl, credential, clientOptions);
  try {
    return signingKey(library, await client.getKey(name, version === undefined ? {} : { version }), location);
  } catch (error) {
    throw fromKeyVault(error, `Key vault ${vaultUrl}`, `reading key "${name}"`);
  }
}

type Library = typeof KeyVaultLibrary;

async function importLibrary(): Promise<Library> {
  try {
    return await import('@azure/keyvault-keys');
  } catch (cause) {
    throw custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', 'The package "@azure/keyvault-keys"', "isn't installed", cause);
  }
}

function readKeyId(library: Library, keyId: string): { vaultUrl: string; name: string; version?: string } {
  try {
    return library.parseKeyVaultKeyIdentifier(keyId);
  } catch (cause) {
    throw new TypeError('keyId must be "https://{vault}/keys/{name}/{version}".', { cause });
  }
}

async function isKeyThere(client: KeyClient, name: string): Promise<boolean> {
  try {
    await client.getKey(name);
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

function createKey(client: KeyClient, options: KeyVaultKeyOptions): Promise<KeyVaultKey> {
  const { name, keyAlgorithm = 'P-256', isInHsm = false } = options;
  const { key } = keyAlgorithmTerms(keyAlgorithm);
  const common = { hsm: isInHsm, keyOps: ['sign' as const, 'verify' as const], exportable: false };
  return key.type === 'rsa'
    ? client.createRsaKey(name, { ...common, keySize: key.modulusLength })
    : client.createEcKey(name, { ...common, curve: keyAlgorithm });
}

function signingKey(
  library: Library,
  key: KeyVaultKey,
  { credential, clientOptions }: { credential: TokenCredential; clientOptions?: KeyClientOptions },
): KeyVaultSigningKey {
  const keyId = key.id ?? '';
  const publicKey = publicKeyOfJwk(key, keyId);
  const keyAlgorithm = keyAlgorithmOf(publicKey, keyId);
  const client = new library.CryptographyClient(key, credential, clientOptions);
  return {
    keyId,
    keyAlgorithm,
    publicKeyDer: publicKeyToDer(publicKey),
    sign: (data) => sign(client, keyAlgorithm, data),
  };
}

const signatureNames = { ec: { sha256: 'ES256', sha384: 'ES384' }, rsa: { sha256: 'RS256', sha384: 'RS384' } } as const;

async function sign(client: CryptographyClient, keyAlgorithm: KeyAlgorithm, data: Uint8Array): Promise<Uint8Array> {
  const { key, hash } = keyAlgorithmTerms(keyAlgorithm);
  const digest = createHash(hash).update(data).digest();
  try {
    const { result } = await client.sign(signatureNames[key.type][hash], digest);
    return key.type === 'ec' ? ecdsaSignatureToDer(result) : Uint8Array.from(result);
  } catch (error) {
    throw fromKeyVault(error, `Key vault key ${client.keyID ?? ''}`, 'signing');
  }
}

function publicKeyOfJwk({ key = {} }: KeyVaultKey, keyId: string): KeyObject {
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('base64url');
  const isRsa = key.kty?.startsWith('RSA') ?? false;
  const jwk = isRsa
    ? { kty: 'RSA', n: text(key.n), e: text(key.e) }
    : { kty: 'EC', crv: key.crv ?? '', x: text(key.x), y: text(key.y) };
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_KEY_ALGORITHM',
      `Key ${keyId} is of kind ${key.kty ?? 'unknown'} ${key.crv ?? ''}, which is not supported: make one with createKeyVaultKey.`,
      { cause },
    );
  }
}
