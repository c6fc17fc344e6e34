import type { Decipher } from 'node:crypto';
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

/** The caller wipes what it gets, and nothing else is left of it. */
export function decryptWith(decipher: Decipher, encrypted: Uint8Array): Buffer {
  const parts: Buffer[] = [];
  try {
    parts.push(decipher.update(encrypted));
    parts.push(decipher.final());
    return Buffer.concat(parts);
  } finally {
    for (const part of parts) part.fill(0);
  }
}

export function unsupported(subject: string, reason: string, cause?: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    `Can't open ${subject}: ${reason}. Write it again with a current tool's defaults, such as OpenSSL 3 without "-legacy".`,
    { cause },
  );
}
