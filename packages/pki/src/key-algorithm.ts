import type { KeyObject, webcrypto } from 'node:crypto';
import { PkiError } from './errors.ts';

/** Kinds of key that we make and sign for: ECDSA on two NIST curves, RSA (PKCS#1 v1.5) with three lengths in bits. */
export type KeyAlgorithm = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';

type SigningAlgorithm = (webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams) & { hash: string };

/** Key generation and signing in Web Crypto's terms; the hash is as strong as the key (FIPS 186-5 section 6.4 for curves). */
const signingAlgorithms: Readonly<Record<KeyAlgorithm, SigningAlgorithm>> = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA-2048': rsa(2048),
  'RSA-3072': rsa(3072),
  'RSA-4096': rsa(4096),
};

function rsa(modulusLength: number): SigningAlgorithm {
  return {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: 'SHA-256',
  };
}

/** @throws {PkiError} ERR_PKI_KEY_ALGORITHM for a name that is none of ours */
export function signingAlgorithm(name: KeyAlgorithm): SigningAlgorithm {
  if (!Object.hasOwn(signingAlgorithms, name)) {
    throw new PkiError(
      'ERR_PKI_KEY_ALGORITHM',
      `Key algorithm ${JSON.stringify(name)} is not supported: use one of ${Object.keys(signingAlgorithms).join(', ')}.`,
    );
  }
  return signingAlgorithms[name];
}

/**
 * @param owner - whose key it is, for the message
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM for a key that we don't issue for
 */
export function keyAlgorithmOf(key: KeyObject, owner: string): KeyAlgorithm {
  const found = describeKey(key);
  const name = found === 'prime256v1' ? 'P-256' : found === 'secp384r1' ? 'P-384' : found;
  if (!Object.hasOwn(signingAlgorithms, name)) {
    throw new PkiError(
      'ERR_PKI_KEY_ALGORITHM',
      `The key of ${owner} is ${found}; supported are ${Object.keys(signingAlgorithms).join(', ')}. Make a new key of such a kind.`,
    );
  }
  return name as KeyAlgorithm;
}

function describeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve ?? 'an unnamed curve';
  if (asymmetricKeyType === 'rsa') return `RSA-${asymmetricKeyDetails?.modulusLength ?? '?'}`;
  return asymmetricKeyType ?? 'of an unknown kind';
}
