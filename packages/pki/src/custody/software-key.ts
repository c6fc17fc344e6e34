import { sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { openEncryptedKey, type KeyOpeningOptions } from '../encrypted-private-key.ts';
import { keyAlgorithmOf, keyAlgorithmTerms, type KeyAlgorithm } from '../key-algorithm.ts';
import { generateKeyPair, publicKeyToDer } from '../private-key.ts';
import type { SoftwareSigningKey } from '../signing-key.ts';

const signInBackground = promisify(sign);

/**
 * Makes a key in this process's memory. It leaves it in one form only: encrypted, through encryptPrivateKey or
 * saveAuthority.
 *
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export async function createSoftwareKey(options: { keyAlgorithm?: KeyAlgorithm } = {}): Promise<SoftwareSigningKey> {
  const { privateKey } = await generateKeyPair(options.keyAlgorithm ?? 'P-256');
  return softwareKey(privateKey, 'the new authority');
}

/**
 * Opens a key that encryptPrivateKey or OpenSSL wrote, see decryptPrivateKey.
 *
 * @param pem - `ENCRYPTED PRIVATE KEY`
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_PASSWORD_EMPTY, ERR_PKI_KEY_UNREADABLE,
 * ERR_PKI_ENCRYPTION_UNSUPPORTED, ERR_PKI_KEY_ALGORITHM
 */
export async function openSoftwareKey(
  pem: string,
  password: string,
  options: KeyOpeningOptions = {},
): Promise<SoftwareSigningKey> {
  return softwareKey(await openEncryptedKey(pem, password, options), 'the encrypted file');
}

/**
 * Takes a parsed key into custody; also what a worker thread does with a `keyObject` that was posted to it.
 *
 * @param owner - whose key it is, for the message
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export function softwareKey(keyObject: KeyObject, owner: string): SoftwareSigningKey {
  const keyAlgorithm = keyAlgorithmOf(keyObject, owner);
  const { hash } = keyAlgorithmTerms(keyAlgorithm);
  return {
    keyAlgorithm,
    keyObject,
    publicKeyDer: publicKeyToDer(keyObject),
    sign: (data) => signInBackground(hash, data, keyObject),
  };
}
