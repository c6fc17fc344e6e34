import { Integer, OctetString, Sequence } from 'asn1js';
import type { AlgorithmIdentifier } from 'pkijs';
import { unsupported } from './encryption.ts';
import { PkiError } from './errors.ts';
import { decryptLegacy, legacySchemes } from './legacy-encryption.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { tellIterations, type PasswordOpener } from './password-opener.ts';
import { decryptPbes2 } from './pbes2.ts';

/**
 * Decrypts a key, or a safe of a PFX: PBES2, or what there was before it (legacy-encryption.ts). The caller wipes what it gets.
 *
 * @param part - what it is, for the list of weaknesses: `key`
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG: after the MAC of a PFX was right, mostly damage
 */
export async function decryptPart(
  part: string,
  { algorithm, encrypted }: { algorithm: AlgorithmIdentifier; encrypted: Uint8Array },
  opener: PasswordOpener,
): Promise<Buffer> {
  const { password, subject, remedy, weaknesses } = opener;
  const scheme = legacySchemes[algorithm.algorithmId];
  const secret = new Uint8Array(passwordBytes(password, subject));
  try {
    if (!scheme) return await decryptPbes2(algorithm, encrypted, { password: secret, subject });
    const cost = readParameters(algorithm);
    if (!cost)
      throw unsupported(subject, `the parameters of its encryption (${scheme.name}) are not salt and iterations`);
    const plain = await decryptLegacy(scheme, encrypted, { password, subject, ...cost });
    weaknesses.add(`Its ${part} is encrypted with ${scheme.weakness}; ${remedy}.`);
    tellIterations(cost.iterations, opener);
    return plain;
  } catch (cause) {
    throw cause instanceof PkiError ? cause : wrongPassword(subject, cause);
  } finally {
    secret.fill(0);
  }
}

/** Of PKCS#12 (pkcs-12PbeParams) and of PBES1 (PBEParameter) alike: salt and iterations. */
function readParameters({
  algorithmParams,
}: AlgorithmIdentifier): { salt: Uint8Array; iterations: number } | undefined {
  const parameters: unknown = algorithmParams;
  const [salt, iterations] = parameters instanceof Sequence ? parameters.valueBlock.value : [];
  if (!(salt instanceof OctetString) || !(iterations instanceof Integer)) return undefined;
  return { salt: new Uint8Array(salt.getValue()), iterations: Number(iterations.toBigInt()) };
}
