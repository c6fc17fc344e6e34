import { Integer, OctetString, Sequence } from 'asn1js';
import type { AlgorithmIdentifier } from 'pkijs';
import { unsupported } from './encryption.ts';
import { PkiError } from './errors.ts';
import { decryptLegacy, legacySchemes, type LegacyScheme } from './legacy-encryption.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { decryptPbes2 } from './pbes2.ts';
import { slow, tellIterations, type PfxOpener } from './pfx-weakness.ts';

const subject = 'the PFX';

/**
 * Decrypts a key or a safe: PBES2, or what there was before it (legacy-encryption.ts).
 *
 * @param part - what it is, for the list of weaknesses: `key`
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG: after the MAC was right, mostly damage
 */
export async function decryptPart(
  part: string,
  { algorithm, encrypted }: { algorithm: AlgorithmIdentifier; encrypted: Uint8Array },
  opener: PfxOpener,
): Promise<Buffer> {
  const scheme = legacySchemes[algorithm.algorithmId];
  const secret = new Uint8Array(passwordBytes(opener.password, subject));
  try {
    if (!scheme) return await decryptPbes2(algorithm, encrypted, { password: secret, subject });
    const { salt, iterations } = readParameters(algorithm, scheme);
    const cost = { salt, iterations, subject };
    const plain = await decryptLegacy(scheme, encrypted, { password: opener.password, ...cost });
    opener.weaknesses.add(`Its ${part} is encrypted with ${scheme.weakness}; ${slow}.`);
    tellIterations(iterations, opener);
    return plain;
  } catch (cause) {
    throw cause instanceof PkiError ? cause : wrongPassword(subject, cause);
  } finally {
    secret.fill(0);
  }
}

/** Of PKCS#12 (pkcs-12PbeParams) and of PBES1 (PBEParameter) alike: salt and iterations. */
function readParameters(
  { algorithmParams }: AlgorithmIdentifier,
  { name }: LegacyScheme,
): { salt: Uint8Array; iterations: number } {
  const parameters: unknown = algorithmParams;
  const [salt, iterations] = parameters instanceof Sequence ? parameters.valueBlock.value : [];
  if (!(salt instanceof OctetString) || !(iterations instanceof Integer)) {
    throw unsupported(subject, `the parameters of its encryption (${name}) are not salt and iterations`);
  }
  return { salt: new Uint8Array(salt.getValue()), iterations: Number(iterations.toBigInt()) };
}
