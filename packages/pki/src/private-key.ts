import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { publicKeyOf } from './certificate.ts';
import { engine, type CryptoKey, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf, signingAlgorithm, type KeyAlgorithm } from './key-algorithm.ts';
import { decodePem, encodePem } from './pem.ts';

/** New key pair; its private half can be exported, since somebody has to store it. */
export async function generateKeyPair(keyAlgorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  return engine.subtle.generateKey(signingAlgorithm(keyAlgorithm), true, ['sign', 'verify']);
}

/** Unencrypted PKCS#8 (RFC 5208) as PEM, label `PRIVATE KEY`. */
export async function privateKeyToPem(privateKey: CryptoKey): Promise<string> {
  return encodePem('PRIVATE KEY', await engine.subtle.exportKey('pkcs8', privateKey));
}

/**
 * Reads an unencrypted private key: PKCS#8, or the older `EC PRIVATE KEY` and `RSA PRIVATE KEY` that OpenSSL also writes.
 *
 * @throws {PkiError} ERR_PKI_KEY_UNREADABLE
 */
export function parsePrivateKey(pem: string): KeyObject {
  if (typeof pem !== 'string') throw new TypeError('The private key must be a PEM string.');
  const found = decodePem(pem).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (!found || found.label.startsWith('ENCRYPTED')) {
    throw new PkiError(
      'ERR_PKI_KEY_UNREADABLE',
      found
        ? 'The private key is encrypted: decrypt it with its password first (decryptPrivateKey).'
        : 'The text holds no private key that can be read: expected PEM with a line "-----BEGIN PRIVATE KEY-----".',
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
  }
}

/** PKCS#8 DER of a parsed key; an EC key comes with its public half, which some writers leave out. */
export function privateKeyToPkcs8(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
}

/** Takes a parsed key into the engine, for signing. The key can be exported again. */
export async function importSigningKey(key: KeyObject, owner: string): Promise<CryptoKey> {
  const algorithm = signingAlgorithm(keyAlgorithmOf(key, owner));
  return engine.subtle.importKey('pkcs8', privateKeyToPkcs8(key), algorithm, true, ['sign']);
}

export function isKeyOf(privateKey: KeyObject, certificate: X509Certificate): boolean {
  return createPublicKey(privateKey).equals(publicKeyOf(certificate));
}

/** @throws {PkiError} ERR_PKI_KEY_MISMATCH */
export function checkKeyMatches(privateKey: KeyObject, certificate: X509Certificate): void {
  if (isKeyOf(privateKey, certificate)) return;
  throw new PkiError(
    'ERR_PKI_KEY_MISMATCH',
    `The private key doesn't belong to certificate "${certificate.subject}": use the key that was made for it.`,
  );
}
