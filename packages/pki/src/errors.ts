/** Every way in which this package refuses. Branch on it; the message is for people. */
export type PkiErrorCode =
  | 'ERR_PKI_REGISTRATION_ID_EMPTY'
  | 'ERR_PKI_REGISTRATION_ID_TOO_LONG'
  | 'ERR_PKI_REGISTRATION_ID_UPPER_CASE'
  | 'ERR_PKI_REGISTRATION_ID_CHARACTER'
  | 'ERR_PKI_REGISTRATION_ID_EDGE'
  | 'ERR_PKI_REGISTRATION_ID_MISMATCH'
  | 'ERR_PKI_REGISTRATION_ID_NOT_ALLOWED'
  | 'ERR_PKI_COMMON_NAME'
  | 'ERR_PKI_VALIDITY'
  | 'ERR_PKI_KEY_ALGORITHM'
  | 'ERR_PKI_PATH_LENGTH'
  | 'ERR_PKI_ISSUER_NOT_VALID'
  | 'ERR_PKI_NOT_AN_AUTHORITY'
  | 'ERR_PKI_CERTIFICATE_UNREADABLE'
  | 'ERR_PKI_KEY_UNREADABLE'
  | 'ERR_PKI_KEY_MISMATCH'
  | 'ERR_PKI_KEY_NOT_EXPORTABLE'
  | 'ERR_PKI_CUSTODY_UNAVAILABLE'
  | 'ERR_PKI_CUSTODY_DENIED'
  | 'ERR_PKI_CUSTODY_KEY_MISSING'
  | 'ERR_PKI_CUSTODY_KEY_EXISTS'
  | 'ERR_PKI_CUSTODY_FAILED'
  | 'ERR_PKI_CSR_UNREADABLE'
  | 'ERR_PKI_CSR_SIGNATURE'
  | 'ERR_PKI_CSR_SUBJECT'
  | 'ERR_PKI_BUNDLE_UNREADABLE'
  | 'ERR_PKI_BUNDLE_RECIPIENT'
  | 'ERR_PKI_BUNDLE_ALTERED'
  | 'ERR_PKI_BUNDLE_UNTRUSTED'
  | 'ERR_PKI_BUNDLE_SIZE'
  | 'ERR_PKI_STATION_CERTIFICATE'
  | 'ERR_PKI_PFX_UNREADABLE'
  | 'ERR_PKI_CRL_UNREADABLE'
  | 'ERR_PKI_REVOCATION'
  | 'ERR_PKI_RENEWAL'
  | 'ERR_PKI_ROLLOVER'
  | 'ERR_PKI_PASSWORD_EMPTY'
  | 'ERR_PKI_PASSWORD_WRONG'
  | 'ERR_PKI_ENCRYPTION_UNSUPPORTED'
  | 'ERR_PKI_ALREADY_ISSUED'
  | 'ERR_PKI_KEY_REUSED'
  | 'ERR_PKI_ALREADY_REVOKED'
  | 'ERR_PKI_DEVICE_REVOKED'
  | 'ERR_PKI_ITEMS_REFUSED'
  | 'ERR_PKI_KEY_WIPED'
  | 'ERR_PKI_NOT_IN_INVENTORY'
  | 'ERR_PKI_STATION_BUSY'
  | 'ERR_PKI_CHAIN_INVALID'
  | 'ERR_PKI_INVENTORY_ALTERED'
  | 'ERR_PKI_INVENTORY_UNAVAILABLE'
  | 'ERR_PKI_FILE_NAME'
  | 'ERR_PKI_FILE_MISSING'
  | 'ERR_PKI_FILE_EXISTS'
  | 'ERR_PKI_FILE_READ'
  | 'ERR_PKI_FILE_WRITE';

/**
 * What this package throws for wrong data. A wrong argument type is a `TypeError` instead.
 *
 * The message says what failed, on which item, and what to do next; it never holds a key, a password or a whole PEM.
 * `cause` is the error underneath, where there was one.
 */
export class PkiError extends Error {
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PkiError';
    this.code = code;
  }
}
