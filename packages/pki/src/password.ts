import { PkiError } from './errors.ts';

/**
 * UTF-8 bytes of a password, as PBES2 takes them (RFC 8018), for the caller to wipe.
 *
 * @param subject - what it protects, for the message
 * @throws {PkiError} ERR_PKI_PASSWORD_EMPTY
 */
export function passwordBytes(password: string, subject: string): ArrayBuffer {
  checkPassword(password, subject);
  const bytes = new ArrayBuffer(Buffer.byteLength(password, 'utf8'));
  Buffer.from(bytes).write(password, 'utf8');
  return bytes;
}

/** @throws {PkiError} ERR_PKI_PASSWORD_EMPTY */
export function checkPassword(password: string, subject: string): void {
  if (typeof password !== 'string') throw new TypeError('password must be a string.');
  if (password === '') {
    throw new PkiError('ERR_PKI_PASSWORD_EMPTY', `The password for ${subject} is empty: give one.`);
  }
}

export function wrongPassword(subject: string, cause?: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_PASSWORD_WRONG',
    `The password doesn't open ${subject}: give the one that it was saved with. (If that is it, the data is damaged.)`,
    { cause },
  );
}
