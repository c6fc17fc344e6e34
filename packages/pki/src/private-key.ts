import { createPrivateKey, createPublicKey, generateKeyPair as generate, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { publicKeyOf } from './certificate.ts';
import type { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmTerms, type KeyAlgorithm } from './key-algorithm.ts';
import { decodePem, encodePem } from './pem.ts';

/** Both halves of a key in this process's memory. */
export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const generateEc = promisify(generate) as (type: 'ec', options: { namedCurve: string }) => Promise<KeyPair>;
const generateRsa = promisify(generate) as (type: 'rsa', options: { modulusLength: number }) => Promise<KeyPair>;

/**
 * New key pair. RSA has the public exponent 65537.
 *
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export async function generateKeyPair(keyAlgorithm: KeyAlgorithm): Promise<KeyPair> {
  const { key } = keyAlgorithmTerms(keyAlgorithm);
  return key.type === 'ec' ? generateEc('ec', key) : generateRsa('rsa', key);
}

/** SubjectPublicKeyInfo of either half, DER. */
export function publicKeyToDer(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
}

/** Reads a SubjectPublicKeyInfo. */
export function publicKeyFromDer(der: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
}

/** Unencrypted PKCS#8 (RFC 5208) as PEM, label `PRIVATE KEY`. */
export function privateKeyToPem(privateKey: KeyObject): string {
  return privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/**
 * Reads an unencrypted private key: PKCS#8, or the older `EC PRIVATE KEY` and `RSA PRIVATE KEY` that OpenSSL also writes.
 *
 * @throws {PkiError} ERR_PKI_KEY_UNREADABLE
 */
export function parsePrivateKey(pem: string): KeyObject {
  if (typeof pem !== 'string') throw new TypeError('The private key must be a PEM string.');
  const found = decodePem(pem).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (!found) throw noPrivateKey(pem, 'PRIVATE KEY');
  if (found.label.startsWith('ENCRYPTED')) {
    throw new PkiError(
      'ERR_PKI_KEY_UNREADABLE',
      'The private key is encrypted: decrypt it with its password first (decryptPrivateKey).',
    );
  }
  try {
    return createPrivateKey(encodePem(found.label, found.der));
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_KEY_UNREADABLE',
      'The private key is damaged or of an unknown kind: expected PKCS#8, as "openssl pkey" writes it.',
      { cause },
    );
  } finally {
    found.der.fill(0);
  }
}

/** For a text in which there is no key with that label. */
export function noPrivateKey(pem: string, label: string): PkiError {
  return new PkiError(
    'ERR_PKI_KEY_UNREADABLE',
    /^Proc-Type: 4,ENCRYPTED/m.test(pem)
      ? 'The private key is encrypted as OpenSSL did it before PKCS#8 (RFC 1421), which is not read: write it anew with "openssl pkcs8 -topk8".'
      : `The text holds no private key that can be read: expected PEM with a line "-----BEGIN ${label}-----".`,
  );
}

/**
 * PKCS#8 DER of a parsed key, for the caller to wipe; an EC key comes with its public half, which some writers leave out.
 */
export function privateKeyToPkcs8(key: KeyObject): Uint8Array {
  return key.export({ format: 'der', type: 'pkcs8' });
}

/** Whether a key, of which either half is given, is the certified one; a certified key that can't be read is none. */
export function isKeyOf(key: KeyObject, certificate: X509Certificate): boolean {
  try {
    return (key.type === 'private' ? createPublicKey(key) : key).equals(publicKeyOf(certificate));
  } catch {
    return false;
  }
}

/** @throws {PkiError} ERR_PKI_KEY_MISMATCH */
export function checkKeyMatches(privateKey: KeyObject, certificate: X509Certificate): void {
  if (isKeyOf(privateKey, certificate)) return;
  throw new PkiError(
    'ERR_PKI_KEY_MISMATCH',
    `The private key doesn't belong to certificate "${certificate.subject}": use the key that was made for it.`,
  );
}
