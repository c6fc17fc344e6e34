import { createHmac, timingSafeEqual } from 'node:crypto';
import { Sequence } from 'asn1js';
import { AlgorithmIdentifier, type MacData } from 'pkijs';
import { unsupported } from './encryption.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { tellIterations, type PasswordOpener } from './password-opener.ts';
import { prfHashes, readPbkdf2 } from './pbes2.ts';
import { derivePkcs12Key, pkcs12Purpose } from './pkcs12-key.ts';

/** Hashes of MACs by OID. */
const macHashes: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

const pbmac1 = '1.2.840.113549.1.5.14';

/** RFC 9879 wants 20 octets at least; the longest hash has 64. */
const keyLengths = { least: 20, most: 64 };

/** The hash of a MAC, and its key. */
interface MacKey {
  hash: string;
  key: Buffer;
}

/**
 * Whether the password fits and nothing was altered: PKCS#12's own MAC, or PBMAC1 (RFC 9879, before that RFC 9579).
 *
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_ENCRYPTION_UNSUPPORTED
 */
export async function checkMac(content: Uint8Array, macData: MacData, opener: PasswordOpener): Promise<void> {
  const isPbmac1 = macData.mac.digestAlgorithm.algorithmId === pbmac1;
  const { hash, key } = await (isPbmac1 ? derivePbmac1Key : deriveOwnKey)(macData, opener);
  const found = new Uint8Array(macData.mac.digest.getValue());
  const wanted = createHmac(hash, key).update(content).digest();
  key.fill(0);
  if (found.length !== wanted.length || !timingSafeEqual(found, wanted)) throw wrongPassword(opener.subject);
  if (hash === 'sha1') opener.weaknesses.add(`Its integrity rests on SHA-1; ${opener.remedy}.`);
}

async function deriveOwnKey({ mac, macSalt, iterations = 1 }: MacData, opener: PasswordOpener): Promise<MacKey> {
  const { password, subject } = opener;
  const { algorithmId } = mac.digestAlgorithm;
  const hash = macHashes[algorithmId];
  if (hash === undefined) throw unsupported(subject, `its MAC (${algorithmId}) is not one of SHA-1 and SHA-2`);
  const key = await derivePkcs12Key({
    password,
    hash,
    salt: new Uint8Array(macSalt.getValue()),
    iterations,
    purpose: pkcs12Purpose.mac,
    length: createHmac(hash, '').digest().length,
    subject,
  });
  tellIterations(iterations, opener);
  return { hash, key };
}

/** Salt and iterations are where PBES2 has them; those of the MAC itself say nothing. */
async function derivePbmac1Key({ mac }: MacData, opener: PasswordOpener): Promise<MacKey> {
  const { subject } = opener;
  const parameters: unknown = mac.digestAlgorithm.algorithmParams;
  const [derivation, scheme] = parameters instanceof Sequence ? parameters.valueBlock.value.map(readAlgorithm) : [];
  const pbkdf2 = derivation && readPbkdf2(derivation, subject);
  const hash = prfHashes[scheme?.algorithmId ?? ''];
  const length = pbkdf2?.keyLength ?? 0;
  if (!pbkdf2 || hash === undefined || length < keyLengths.least || length > keyLengths.most) {
    throw unsupported(
      subject,
      `the parameters of its MAC (PBMAC1) are not PBKDF2 with a key of ${keyLengths.least} to ${keyLengths.most} octets, and HMAC with SHA-1 or SHA-2`,
    );
  }
  const secret = new Uint8Array(passwordBytes(opener.password, subject));
  try {
    tellIterations(pbkdf2.iterations, opener);
    return { hash, key: await pbkdf2.derive(secret, length) };
  } finally {
    secret.fill(0);
  }
}

function readAlgorithm(schema: unknown): AlgorithmIdentifier | undefined {
  try {
    return new AlgorithmIdentifier({ schema });
  } catch {
    return undefined;
  }
}
