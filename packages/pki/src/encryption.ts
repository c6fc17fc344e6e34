import { PBES2Params, PBKDF2Params, type AlgorithmIdentifier } from 'pkijs';
import { pkijsEngine } from './engine.ts';
import { PkiError } from './errors.ts';

const pbes2 = '1.2.840.113549.1.5.13';

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
 * Tells an encryption that we can't undo from a password that doesn't fit, before the password is tried.
 *
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED
 */
export function checkEncryption(algorithm: AlgorithmIdentifier, subject: string): void {
  if (algorithm.algorithmId === pbes2 && isReadablePbes2(algorithm)) return;
  throw unsupported(
    subject,
    `its encryption (${algorithm.algorithmId}) is not PBES2 with PBKDF2 and AES-CBC or triple DES`,
  );
}

export function unsupported(subject: string, reason: string, cause?: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_ENCRYPTION_UNSUPPORTED',
    `Can't open ${subject}: ${reason}. Write it again with a current tool's defaults, such as OpenSSL 3 without "-legacy".`,
    { cause },
  );
}

function isReadablePbes2(algorithm: AlgorithmIdentifier): boolean {
  try {
    const { keyDerivationFunc, encryptionScheme } = new PBES2Params({ schema: algorithm.algorithmParams as unknown });
    const { prf } = new PBKDF2Params({ schema: keyDerivationFunc.algorithmParams as unknown });
    const names = [encryptionScheme, ...(prf ? [prf] : [])].map(
      ({ algorithmId }) => pkijsEngine.getAlgorithmByOID(algorithmId, true).name,
    );
    return /^(AES|DES-EDE3)-CBC$/.test(names[0] ?? '') && (names[1] ?? 'HMAC') === 'HMAC';
  } catch {
    return false;
  }
}
