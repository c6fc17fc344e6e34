import type { KeyObject } from 'node:crypto';
import { isEqual } from './der.ts';
import { PkiError } from './errors.ts';
import { keyAlgorithmOf, type KeyAlgorithm } from './key-algorithm.ts';
import { publicKeyFromDer, publicKeyToDer } from './private-key.ts';

/** SubjectPublicKeyInfo of a P-256 key up to the coordinates of its point, which is what differs (RFC 5480). */
export const p256Header = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');
const p384Header = fromHex('3076301006072a8648ce3d020106052b8104002203620004');

const curveForms: Partial<Record<KeyAlgorithm, { header: Uint8Array; length: number }>> = {
  'P-256': { header: p256Header, length: 91 },
  'P-384': { header: p384Header, length: 120 },
};

/**
 * Checks a key before it is certified, octet for octet, since it is copied into the certificate as it is: the curve by its
 * name and never by its parameters (RFC 5480 section 2.1.1), the point uncompressed, as Azure documents it, RSA with NULL
 * parameters (RFC 3279 section 2.3.1) and an exponent that is safe (FIPS 186-5 section 5.1).
 *
 * @param publicKeyDer - SubjectPublicKeyInfo
 * @param owner - whose key it is, for the message
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM
 */
export function checkPublicKey(publicKeyDer: Uint8Array, owner: string): void {
  const key = publicKeyFromDer(publicKeyDer);
  const form = curveForms[keyAlgorithmOf(key, owner)];
  const oddity = form ? findOddPoint(publicKeyDer, form) : findOddRsaKey(publicKeyDer, key);
  if (oddity === undefined) return;
  throw new PkiError('ERR_PKI_KEY_ALGORITHM', `The key of ${owner} ${oddity}. Make a new key in the usual form.`);
}

function findOddPoint(
  publicKeyDer: Uint8Array,
  { header, length }: { header: Uint8Array; length: number },
): string | undefined {
  if (publicKeyDer.length === length && isEqual(publicKeyDer, 0, header)) return undefined;
  return 'has explicit curve parameters or a compressed point; expected the name of the curve and an uncompressed point (RFC 5480)';
}

function findOddRsaKey(publicKeyDer: Uint8Array, key: KeyObject): string | undefined {
  const { publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (publicExponent < 65537n || publicExponent % 2n === 0n || publicExponent >= 2n ** 256n) {
    return `has the public exponent ${String(publicExponent).slice(0, 20)}; expected an odd one from 65537, below 2^256 (FIPS 186-5)`;
  }
  const usual = publicKeyToDer(key);
  const isUsual = publicKeyDer.length === usual.length && isEqual(publicKeyDer, 0, usual);
  return isUsual ? undefined : 'is not encoded as RFC 3279 section 2.3.1 has it';
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
