import { createDecipheriv } from 'node:crypto';
import { PkiError } from './errors.ts';

/** AES-256-CBC under a key from PBKDF2 with HMAC-SHA-256 (PBES2, RFC 8018): OpenSSL 3's own default. */
export function pbes2Parameters(password: ArrayBuffer, iterationCount: number): Pbes2Parameters {
  return {
    password,
    contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 },
    hmacHashAlgorithm: 'SHA-256',
    iterationCount,
  };
}

export interface Pbes2Parameters {
  password: ArrayBuffer;
  contentEncryptionAlgorithm: { name: string; length: number };
  hmacHashAlgorithm: string;
  iterationCount: number;
}

/**
 * Undoes CBC with padding. Wipes the key, and what it has of the plain text in between; the caller wipes what it gets.
 *
 * @param cipher - as node:crypto calls it
 * @throws {Error} of node:crypto where the key doesn't fit
 */
export function decryptCbc(
  cipher: string,
  { key, iv }: { key: Buffer; iv: Uint8Array },
  encrypted: Uint8Array,
): Buffer {
  const decipher = createDecipheriv(cipher, key, iv);
  key.fill(0);
  const first = decipher.update(encrypted);
  try {
    return Buffer.concat([first, decipher.final()]);
  } finally {
    first.fill(0);
  }
}

export function unsupported(subject: string, reason: string, cause?: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    `Can't open ${subject}: ${reason}. Write it again with a current tool's defaults, such as OpenSSL 3 without "-legacy".`,
    { cause },
  );
}
