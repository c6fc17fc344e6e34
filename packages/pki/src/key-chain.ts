import type { KeyObject } from 'node:crypto';
import { buildPath } from './chain.ts';
import type { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { isKeyOf } from './private-key.ts';

/**
 * The chain of a key out of certificates in any order: the key's own, then each one's issuer.
 *
 * @param source - where they come from, for the message
 * @throws {PkiError} ERR_PKI_KEY_MISMATCH: none of them belongs to the key
 */
export function chainOfKey(
  key: KeyObject,
  certificates: readonly X509Certificate[],
  source: string,
): [X509Certificate, ...X509Certificate[]] {
  const leaf = certificates.find((certificate) => isKeyOf(key, certificate));
  if (leaf) return buildPath(leaf, certificates);
  const subjects = certificates.map(({ subject }) => `"${subject}"`).join(', ') || 'none';
  throw new PkiError(
    'ERR_PKI_KEY_MISMATCH',
    `No certificate in ${source} belongs to its private key (found: ${subjects}): take both from the same place.`,
  );
}
