import { createCipheriv, pbkdf2, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { Integer, Null, OctetString, Sequence } from 'asn1js';
import { AlgorithmIdentifier, PBES2Params, PBKDF2Params } from 'pkijs';
import { decryptCbc, unsupported } from './encryption.ts';
import type { PkiError } from './errors.ts';

/** How a password becomes a key: PBKDF2-HMAC-SHA-256 with 600,000 iterations, or scrypt with N 16384, r 8, p 5. */
export type KeyDerivation = 'PBKDF2' | 'scrypt';

const derivePbkdf2 = promisify(pbkdf2);
const deriveScrypt = promisify(scrypt) as (
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
  options: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer>;

const oid = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  scrypt: '1.3.6.1.4.1.11591.4.11', // RFC 7914 section 7
  hmacWithSha1: '1.2.840.113549.2.7',
  hmacWithSha256: '1.2.840.113549.2.9',
  aes256: '2.16.840.1.101.3.4.1.42',
};

/**
 * Both are of the strength that OWASP's Password Storage Cheat Sheet asks for (2023 on). Of its equivalent scrypt settings
 * this one needs 16 MiB, and OpenSSL opens no more than 32 MiB.
 */
const iterationCount = 600_000;
const scryptCost = { N: 2 ** 14, r: 8, p: 5 };

/** More than any writer asks for today, and still done within seconds: what is read decides about this machine's time. */
const limits = { iterations: 10_000_000, scryptMemory: 256 * 2 ** 20, scryptWork: 2 ** 24 };

/** Pseudorandom functions of PBKDF2, which are MACs too (RFC 8018 appendix B.1), under node:crypto's names of their hashes. */
export const prfHashes: Readonly<Record<string, string>> = {
  [oid.hmacWithSha1]: 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  [oid.hmacWithSha256]: 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

/** `openssl req` of OpenSSL 3.0 still encrypts new keys with triple DES. */
const ciphers: Readonly<Record<string, { name: string; keyLength: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24 },
  [oid.aes256]: { name: 'aes-256-cbc', keyLength: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24 },
};

/** What it costs to make a key from a password. */
export interface Pbes2Cost {
  /** Default PBKDF2. */
  keyDerivation?: KeyDerivation;
  /** Of PBKDF2; default 600,000. */
  iterations?: number;
}

/** Encrypts under PBES2 (RFC 8018 section 6.2) with AES-256-CBC. */
export async function encryptPbes2(
  plain: Uint8Array,
  password: Uint8Array,
  { keyDerivation, iterations = iterationCount }: Pbes2Cost,
): Promise<{ algorithm: AlgorithmIdentifier; encrypted: Uint8Array }> {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const key = await (keyDerivation === 'scrypt'
    ? deriveScrypt(password, salt, 32, { ...scryptCost, maxmem: limits.scryptMemory })
    : derivePbkdf2(password, salt, iterations, 32, 'sha256'));
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  key.fill(0);
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const parameters = new PBES2Params({
    keyDerivationFunc: keyDerivation === 'scrypt' ? scryptIdentifier(salt) : pbkdf2Identifier(salt, iterations),
    encryptionScheme: new AlgorithmIdentifier({ algorithmId: oid.aes256, algorithmParams: octets(iv) }),
  });
  const algorithm = new AlgorithmIdentifier({ algorithmId: oid.pbes2, algorithmParams: parameters.toSchema() });
  return { algorithm, encrypted };
}

/**
 * Undoes PBES2: PBKDF2 with HMAC-SHA-1 or -SHA-2, or scrypt; AES-CBC or triple DES. The caller wipes what it gets.
 *
 * @param subject - what is encrypted, for the message
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: another method, or one that would take this machine too long
 * @throws {Error} of node:crypto where the password doesn't fit
 */
export async function decryptPbes2(
  algorithm: AlgorithmIdentifier,
  encrypted: Uint8Array,
  { password, subject }: { password: Uint8Array; subject: string },
): Promise<Buffer> {
  const { cipher, iv, derive } = readPbes2(algorithm, subject);
  const key = await derive(password, cipher.keyLength);
  return decryptCbc(cipher.name, { key, iv }, encrypted);
}

export type Derive = (password: Uint8Array, length: number) => Promise<Buffer>;

function readPbes2(
  algorithm: AlgorithmIdentifier,
  subject: string,
): { cipher: { name: string; keyLength: number }; iv: Uint8Array; derive: Derive } {
  const otherMethod = (): PkiError =>
    unsupported(
      subject,
      `its encryption (${algorithm.algorithmId}) is not PBES2 with PBKDF2 or scrypt, and AES-CBC or triple DES`,
    );
  if (algorithm.algorithmId !== oid.pbes2) throw otherMethod();
  let parameters;
  try {
    parameters = new PBES2Params({ schema: algorithm.algorithmParams as unknown });
  } catch {
    throw otherMethod();
  }
  const { encryptionScheme, keyDerivationFunc } = parameters;
  const cipher = ciphers[encryptionScheme.algorithmId];
  const iv: unknown = encryptionScheme.algorithmParams;
  const derive = readDerivation(keyDerivationFunc, subject);
  if (!cipher || !derive || !(iv instanceof OctetString)) throw otherMethod();
  return { cipher, derive, iv: new Uint8Array(iv.getValue()) };
}

function readDerivation(algorithm: AlgorithmIdentifier, subject: string): Derive | undefined {
  if (algorithm.algorithmId === oid.scrypt) return readScrypt(algorithm.algorithmParams, subject);
  return readPbkdf2(algorithm, subject)?.derive;
}

/** PBKDF2 as a file asks for it. */
export interface Pbkdf2 {
  iterations: number;
  /** Undefined: it doesn't say. */
  keyLength: number | undefined;
  derive: Derive;
}

/**
 * RFC 8018 appendix A.2: salt, count, length of the key (which a cipher says too), pseudorandom function.
 *
 * @returns undefined: it is another algorithm, or not of that form
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: too many iterations
 */
export function readPbkdf2({ algorithmId, algorithmParams }: AlgorithmIdentifier, subject: string): Pbkdf2 | undefined {
  const parameters: unknown = algorithmParams;
  if (algorithmId !== oid.pbkdf2 || !(parameters instanceof Sequence)) return undefined;
  const [salt, count, ...more] = parameters.valueBlock.value;
  const iterations = readNumber(count);
  const prf = more.find((part) => part instanceof Sequence);
  const hash = prfHashes[prf ? new AlgorithmIdentifier({ schema: prf }).algorithmId : oid.hmacWithSha1];
  if (!(salt instanceof OctetString) || hash === undefined || iterations < 1) return undefined;
  checkCost(iterations <= limits.iterations, `${iterations} iterations of PBKDF2`, subject);
  return {
    iterations,
    keyLength: more[0] instanceof Integer ? readNumber(more[0]) : undefined,
    derive: (password, length) => derivePbkdf2(password, new Uint8Array(salt.getValue()), iterations, length, hash),
  };
}

/** RFC 7914 section 7.1: salt, cost, block size, parallelisation, length of the key. */
function readScrypt(parameters: unknown, subject: string): Derive | undefined {
  if (!(parameters instanceof Sequence)) return undefined;
  const [salt, ...cost] = parameters.valueBlock.value;
  const [N, r, p] = [readNumber(cost[0]), readNumber(cost[1]), readNumber(cost[2])];
  if (!(salt instanceof OctetString) || Math.min(N, r, p) < 1) return undefined;
  const isBounded = 128 * N * r <= limits.scryptMemory && N * r * p <= limits.scryptWork;
  checkCost(isBounded, `scrypt with N ${N}, r ${r}, p ${p}`, subject);
  // Node wants room for a little more than the table itself.
  const maxmem = 2 * limits.scryptMemory;
  return (password, length) => deriveScrypt(password, new Uint8Array(salt.getValue()), length, { N, r, p, maxmem });
}

/** Of any size: asn1js takes those of four octets and more for 0. */
function readNumber(part: unknown): number {
  return part instanceof Integer ? Number(part.toBigInt()) : 0;
}

function checkCost(isBounded: boolean, found: string, subject: string): void {
  if (!isBounded) throw unsupported(subject, `it asks for ${found}, which would take this machine too long`);
}

function pbkdf2Identifier(salt: Uint8Array, iterations: number): AlgorithmIdentifier {
  const prf = new AlgorithmIdentifier({ algorithmId: oid.hmacWithSha256, algorithmParams: new Null() });
  const parameters = new PBKDF2Params({ salt: octets(salt), iterationCount: iterations, prf });
  return new AlgorithmIdentifier({ algorithmId: oid.pbkdf2, algorithmParams: parameters.toSchema() });
}

function scryptIdentifier(salt: Uint8Array): AlgorithmIdentifier {
  const cost = [scryptCost.N, scryptCost.r, scryptCost.p].map((value) => new Integer({ value }));
  const algorithmParams = new Sequence({ value: [octets(salt), ...cost] });
  return new AlgorithmIdentifier({ algorithmId: oid.scrypt, algorithmParams });
}

function octets(bytes: Uint8Array): OctetString {
  return new OctetString({ valueHex: Uint8Array.from(bytes).buffer });
}
