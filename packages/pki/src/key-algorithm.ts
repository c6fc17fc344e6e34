import type { KeyObject } from 'node:crypto';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { PkiError } from './errors.ts';

/** Kinds of key that we make and sign for: ECDSA on two NIST curves, RSA (PKCS#1 v1.5) with three lengths in bits. */
export type KeyAlgorithm = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';

/** What one kind of key means for those who make it and those who sign with it. */
export interface KeyAlgorithmTerms {
  /** As node:crypto names them. */
  key: { type: 'ec'; namedCurve: string } | { type: 'rsa'; modulusLength: number };
  hash: 'sha256' | 'sha384';
  signatureOid: string;
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const ecdsaWithSha384 = '1.2.840.10045.4.3.3';
const sha256WithRsa = '1.2.840.113549.1.1.11';

/** The hash is as strong as the key (FIPS 186-5 section 6.4 for curves). */
const algorithms: Readonly<Record<KeyAlgorithm, KeyAlgorithmTerms>> = {
  'P-256': { key: { type: 'ec', namedCurve: 'prime256v1' }, hash: 'sha256', signatureOid: ecdsaWithSha256 },
  'P-384': { key: { type: 'ec', namedCurve: 'secp384r1' }, hash: 'sha384', signatureOid: ecdsaWithSha384 },
  'RSA-2048': rsa(2048),
  'RSA-3072': rsa(3072),
  'RSA-4096': rsa(4096),
};

function rsa(modulusLength: number): KeyAlgorithmTerms {
  return { key: { type: 'rsa', modulusLength }, hash: 'sha256', signatureOid: sha256WithRsa };
}

/** @throws {PkiError} ERR_PKI_KEY_ALGORITHM for a name that is none of ours */
export function keyAlgorithmTerms(name: KeyAlgorithm): KeyAlgorithmTerms {
  if (!Object.hasOwn(algorithms, name)) {
    throw new PkiError(
      'ERR_PKI_KEY_ALGORITHM',
      `Key algorithm ${JSON.stringify(name)} is not supported: use one of ${Object.keys(algorithms).join(', ')}.`,
    );
  }
  return algorithms[name];
}

/**
 * How signatures of such a key name themselves: parameters absent for ECDSA (RFC 5758 section 3.2), NULL for RSA (RFC 4055
 * section 5).
 */
export function signatureAlgorithm(name: KeyAlgorithm): AlgorithmIdentifier {
  const { key, signatureOid } = keyAlgorithmTerms(name);
  return new AlgorithmIdentifier({ algorithm: signatureOid, ...(key.type === 'rsa' && { parameters: asn1Null }) });
}

const asn1Null = Uint8Array.of(5, 0).buffer;

/**
 * @param owner - whose key it is, for the message
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM for a key that we don't issue for
 */
export function keyAlgorithmOf(key: KeyObject, owner: string): KeyAlgorithm {
  const found = describeKey(key);
  const name = found === 'prime256v1' ? 'P-256' : found === 'secp384r1' ? 'P-384' : found;
  if (!Object.hasOwn(algorithms, name)) {
    throw new PkiError(
      'ERR_PKI_KEY_ALGORITHM',
      `The key of ${owner} is ${found}; supported are ${Object.keys(algorithms).join(', ')}. Make a new key of such a kind.`,
    );
  }
  return name as KeyAlgorithm;
}

function describeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve ?? 'an unnamed curve';
  if (asymmetricKeyType === 'rsa') return `RSA-${asymmetricKeyDetails?.modulusLength ?? '?'}`;
  return asymmetricKeyType ?? 'of an unknown kind';
}
