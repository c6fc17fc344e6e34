import type { KeyObject } from 'node:crypto';
import type { KeyAlgorithm } from './key-algorithm.ts';

/**
 * Custody of an authority's key, wherever it is: it shows its public half and signs; the private half doesn't come out.
 */
export interface SigningKey {
  readonly keyAlgorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo (RFC 5280 section 4.1), DER. */
  readonly publicKeyDer: Uint8Array;
  /**
   * Signs with the hash that belongs to the algorithm: SHA-384 for P-384, SHA-256 for all others.
   *
   * @param data - what is to be signed, not its hash
   * @returns ECDSA: DER Ecdsa-Sig-Value (RFC 3279 section 2.2.3); RSA: PKCS #1 v1.5
   */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** A key in this process's memory: the only kind that mass issuing can hand to its worker threads. */
export interface SoftwareSigningKey extends SigningKey {
  /** Private key of node:crypto; never written anywhere but encrypted. */
  readonly keyObject: KeyObject;
}

/** Whether the key is in this process's memory, so that it can be encrypted into a file and handed to worker threads. */
export function isSoftwareKey(key: SigningKey): key is SoftwareSigningKey {
  return 'keyObject' in key;
}
