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

export function unsupported(subject: string, reason: string, cause?: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    `Can't open ${subject}: ${reason}. Write it again with a current tool's defaults, such as OpenSSL 3 without "-legacy".`,
    { cause },
  );
}
