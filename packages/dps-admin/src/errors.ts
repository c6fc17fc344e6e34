/** What went wrong; fixed strings to branch on. The README's table says what to do for each. */
export type DpsAdminErrorCode =
  | 'ERR_INVALID_INPUT'
  | 'ERR_CLOUD_UNKNOWN'
  | 'ERR_CLOUD_FILE'
  | 'ERR_SIGN_IN'
  | 'ERR_NOT_AUTHORIZED'
  | 'ERR_SUBSCRIPTION_NOT_FOUND'
  | 'ERR_SUBSCRIPTION_AMBIGUOUS'
  | 'ERR_RESOURCE_GROUP_NOT_FOUND'
  | 'ERR_DPS_NOT_FOUND'
  | 'ERR_HUB_NOT_FOUND'
  | 'ERR_PREREQUISITES_MISSING'
  | 'ERR_NAME_TAKEN'
  | 'ERR_NOT_ACTIVE'
  | 'ERR_HUB_POLICY_MISSING'
  | 'ERR_CERTIFICATE_INVALID'
  | 'ERR_CERTIFICATE_NAME_IN_USE'
  | 'ERR_CERTIFICATE_NOT_FOUND'
  | 'ERR_PROOF_REJECTED'
  | 'ERR_AUTHORITY_NOT_VERIFIED'
  | 'ERR_ENROLLMENT_GROUP_EXISTS'
  | 'ERR_ENROLLMENT_GROUP_NOT_FOUND'
  | 'ERR_ENROLLMENT_EXISTS'
  | 'ERR_ETAG_STALE'
  | 'ERR_CONFLICT'
  | 'ERR_REQUEST_REFUSED'
  | 'ERR_THROTTLED'
  | 'ERR_SERVICE_FAILED'
  | 'ERR_UNEXPECTED_ANSWER'
  | 'ERR_CONNECTION_REFUSED'
  | 'ERR_CONNECTION_LOST'
  | 'ERR_NAME_NOT_RESOLVED'
  | 'ERR_TLS_UNTRUSTED'
  | 'ERR_TIMEOUT';

/**
 * What a program can do about it: `retry` later as it is; `fix-input`: another name, file or option; `fix-access`: sign in, or get a
 * role assigned; `fix-azure`: create, repair or look at the resource in Azure; `re-read`: somebody else changed it, look again.
 */
export type DpsAdminAdvice = 'retry' | 'fix-input' | 'fix-access' | 'fix-azure' | 're-read';

/** One thing of {@link DpsAdminError.missing}. */
export interface MissingPrerequisite {
  readonly kind: 'resource-group' | 'iot-hub' | 'dps' | 'link';
  /** Name of the resource; for a link the hub's name. */
  readonly name: string;
  /** What a person can do to get it, in one sentence. */
  readonly remedy: string;
}

export interface DpsAdminErrorDetails {
  readonly advice: DpsAdminAdvice;
  readonly httpStatus?: number;
  readonly azureCode?: string;
  readonly trackingId?: string;
  readonly retryAfterMs?: number;
  readonly missing?: readonly MissingPrerequisite[];
  readonly cause?: unknown;
}

/**
 * Every failure of this package except a wrong argument type (`TypeError`) and an error of the caller's own functions (`signProof`,
 * `onProgress`), which is passed on as it is. Branch on `code`: `instanceof` breaks where the package is installed twice.
 */
export class DpsAdminError extends Error {
  readonly code: DpsAdminErrorCode;
  readonly advice: DpsAdminAdvice;
  // Declared only: a field that is not known is absent, not undefined.
  /** Status of the HTTP answer; absent where no answer came. */
  declare readonly httpStatus?: number;
  /** Azure's own code as text: `404015`, `ResourceGroupNotFound`, `DeviceNotFound`, `AADSTS7000215`. */
  declare readonly azureCode?: string;
  /** What Microsoft's support asks for: tracking, correlation or request ID. */
  declare readonly trackingId?: string;
  /** How long Azure asked to wait, in milliseconds. */
  declare readonly retryAfterMs?: number;
  /** With ERR_PREREQUISITES_MISSING: all that is missing. */
  declare readonly missing?: readonly MissingPrerequisite[];

  constructor(code: DpsAdminErrorCode, message: string, details: DpsAdminErrorDetails) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = 'DpsAdminError';
    this.code = code;
    this.advice = details.advice;
    if (details.httpStatus !== undefined) this.httpStatus = details.httpStatus;
    if (details.azureCode !== undefined) this.azureCode = details.azureCode;
    if (details.trackingId !== undefined) this.trackingId = details.trackingId;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.missing !== undefined) this.missing = details.missing;
  }
}

/** True for a DpsAdminError, whichever copy of this package made it. */
export function isDpsAdminError(error: unknown): error is DpsAdminError {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'DpsAdminError';
}

/** True for a DpsAdminError with one of the codes, whichever copy of this package made it. */
export function hasDpsAdminCode(error: unknown, ...codes: readonly DpsAdminErrorCode[]): error is DpsAdminError {
  return isDpsAdminError(error) && codes.includes(error.code);
}
