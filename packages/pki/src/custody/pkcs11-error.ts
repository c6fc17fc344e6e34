import { PkiError } from '../errors.ts';
import { custodyError } from './custody-error.ts';

/** Name of PKCS#11's return value, such as `CKR_PIN_INCORRECT`; undefined for an error of another kind. */
export function returnValue(error: unknown): string | undefined {
  const { message } = error as { message?: unknown };
  return typeof message === 'string' ? /^CKR_\w+/.exec(message)?.[0] : undefined;
}

const denied: Readonly<Record<string, string>> = {
  CKR_PIN_INCORRECT: "doesn't take this PIN",
  CKR_PIN_INVALID: "doesn't take this PIN",
  CKR_PIN_LEN_RANGE: "doesn't take this PIN: it is too short or too long",
  CKR_PIN_EXPIRED: 'says that the PIN has expired',
  CKR_PIN_LOCKED: 'has locked the PIN after too many failures',
  CKR_USER_PIN_NOT_INITIALIZED: 'has no user PIN yet',
  CKR_USER_NOT_LOGGED_IN: 'asks for a login',
};

const unavailable: Readonly<Record<string, string>> = {
  CKR_DEVICE_REMOVED: 'was removed',
  CKR_TOKEN_NOT_PRESENT: 'is not there any more',
  CKR_TOKEN_NOT_RECOGNIZED: 'is not recognised',
  CKR_SESSION_HANDLE_INVALID: 'was closed',
  CKR_SESSION_CLOSED: 'was closed',
  CKR_CRYPTOKI_NOT_INITIALIZED: 'was closed',
};

/** One of our errors for whatever the module threw. */
export function fromModule(error: unknown, place: string, doing: string): PkiError {
  if (error instanceof PkiError) return error;
  const value = returnValue(error) ?? String((error as { message?: unknown }).message);
  if (Object.hasOwn(denied, value)) return custodyError('ERR_PKI_CUSTODY_DENIED', place, denied[value] ?? '', error);
  if (Object.hasOwn(unavailable, value)) {
    return custodyError('ERR_PKI_CUSTODY_UNAVAILABLE', place, unavailable[value] ?? '', error);
  }
  return custodyError('ERR_PKI_CUSTODY_FAILED', place, `failed while ${doing}: ${value}`, error);
}
