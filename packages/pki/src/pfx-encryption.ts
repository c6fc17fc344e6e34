import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { Integer, OctetString, Sequence } from 'asn1js';
import type { AlgorithmIdentifier, MacData } from 'pkijs';
import { unsupported } from './encryption.ts';
import { PkiError } from './errors.ts';
import { passwordBytes, wrongPassword } from './password.ts';
import { decryptPbes2 } from './pbes2.ts';
import { derivePkcs12Key, pkcs12Purpose } from './pkcs12-key.ts';
import { decryptRc2 } from './rc2.ts';

const subject = 'the PFX';

/** Opens the parts of one PFX, and keeps what it sees of weaknesses. */
export interface PfxOpener {
  password: string;
  weaknesses: Set<string>;
}

type Decrypt = (key: Buffer, iv: Buffer, encrypted: Uint8Array) => Buffer;

interface LegacyCipher {
  name: string;
  keyLength: number;
  decrypt: Decrypt;
  weakness: string;
}

const slow = 'replace the file (encodePfx, or OpenSSL 3 without "-legacy")';
const weakTripleDes = `triple DES under a key from SHA-1: passwords are guessed fast; ${slow}`;
const weakRc2 = `RC2, which was given up long ago, under a key from SHA-1: passwords are guessed fast; ${slow}`;

/** Password-based encryption of PKCS#12 itself (RFC 7292 appendix C). RC4 (…12.1.1 and .2) is not read: nothing writes it. */
const legacyCiphers: Readonly<Record<string, LegacyCipher>> = {
  '1.2.840.113549.1.12.1.3': { name: 'triple DES', keyLength: 24, decrypt: tripleDes, weakness: weakTripleDes },
  '1.2.840.113549.1.12.1.4': { name: 'triple DES', keyLength: 16, decrypt: twoKeyTripleDes, weakness: weakTripleDes },
  '1.2.840.113549.1.12.1.5': { name: 'RC2-128', keyLength: 16, decrypt: decryptRc2, weakness: weakRc2 },
  '1.2.840.113549.1.12.1.6': {
    name: 'RC2-40',
    keyLength: 5,
    decrypt: decryptRc2,
    weakness: `RC2 with 40 bits, which anybody opens without the password; ${slow}`,
  },
};

/** Hashes of MACs by OID. */
const macHashes: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** Fewer were usual twenty years ago. */
const fewIterations = 1000;

/**
 * Whether the password fits and nothing was altered.
 *
 * @throws {PkiError} ERR_PKI_PASSWORD_WRONG, ERR_PKI_ENCRYPTION_UNSUPPORTED
 */
export async function checkMac(content: Uint8Array, macData: MacData, opener: PfxOpener): Promise<void> {
  const { mac, macSalt, iterations = 1 } = macData;
  const { algorithmId } = mac.digestAlgorithm;
  const hash = macHashes[algorithmId];
  if (hash === undefined) throw unsupported(subject, `its MAC (${algorithmId}) is not one of SHA-1 and SHA-2`);
  const found = new Uint8Array(mac.digest.getValue());
  const key = await derivePkcs12Key({
    password: opener.password,
    hash,
    salt: new Uint8Array(macSalt.getValue()),
    iterations,
    purpose: pkcs12Purpose.mac,
    length: createHmac(hash, '').digest().length,
    subject,
  });
  const wanted = createHmac(hash, key).update(content).digest();
  if (found.length !== wanted.length || !timingSafeEqual(found, wanted)) throw wrongPassword(subject);
  if (hash === 'sha1') opener.weaknesses.add(`Its integrity rests on SHA-1; ${slow}.`);
  tellIterations(iterations, opener);
}

/**
 * Decrypts a key or a safe: PBES2, or what PKCS#12 had before (triple DES, RC2).
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
  const cipher = legacyCiphers[algorithm.algorithmId];
  const secret = new Uint8Array(passwordBytes(opener.password, subject));
  try {
    if (!cipher) return await decryptPbes2(algorithm, encrypted, { password: secret, subject });
    return await decryptLegacy(part, { algorithm, encrypted, cipher }, opener);
  } catch (cause) {
    throw cause instanceof PkiError ? cause : wrongPassword(subject, cause);
  } finally {
    secret.fill(0);
  }
}

async function decryptLegacy(
  part: string,
  { algorithm, encrypted, cipher }: { algorithm: AlgorithmIdentifier; encrypted: Uint8Array; cipher: LegacyCipher },
  opener: PfxOpener,
): Promise<Buffer> {
  const { salt, iterations } = readParameters(algorithm, cipher);
  const common = { password: opener.password, hash: 'sha1', salt, iterations, subject };
  const key = await derivePkcs12Key({ ...common, purpose: pkcs12Purpose.key, length: cipher.keyLength });
  const iv = await derivePkcs12Key({ ...common, purpose: pkcs12Purpose.iv, length: 8 });
  opener.weaknesses.add(`Its ${part} is encrypted with ${cipher.weakness}.`);
  tellIterations(iterations, opener);
  try {
    return cipher.decrypt(key, iv, encrypted);
  } finally {
    key.fill(0);
  }
}

function tellIterations(iterations: number, { weaknesses }: PfxOpener): void {
  if (iterations >= fewIterations) return;
  weaknesses.add(`Its password is hardened with ${iterations} iterations only, so that it is guessed fast; ${slow}.`);
}

/** pkcs-12PbeParams: salt and iterations. */
function readParameters(
  { algorithmParams }: AlgorithmIdentifier,
  { name }: LegacyCipher,
): { salt: Uint8Array; iterations: number } {
  const parameters: unknown = algorithmParams;
  const [salt, iterations] = parameters instanceof Sequence ? parameters.valueBlock.value : [];
  if (!(salt instanceof OctetString) || !(iterations instanceof Integer)) {
    throw unsupported(subject, `the parameters of its encryption (${name}) are not those of PKCS#12`);
  }
  return { salt: new Uint8Array(salt.getValue()), iterations: Number(iterations.toBigInt()) };
}

function tripleDes(key: Buffer, iv: Buffer, encrypted: Uint8Array): Buffer {
  const decipher = createDecipheriv('des-ede3-cbc', key, iv);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}

function twoKeyTripleDes(key: Buffer, iv: Buffer, encrypted: Uint8Array): Buffer {
  return tripleDes(Buffer.concat([key, key.subarray(0, 8)]), iv, encrypted);
}
