import { PkiError, type PkiErrorCode } from '../errors.ts';

/** What an operator can do about it, by code. */
const advice: Readonly<Record<CustodyErrorCode, string>> = {
  ERR_PKI_CUSTODY_UNAVAILABLE: 'Check that it is there and can be reached.',
  ERR_PKI_CUSTODY_DENIED: 'Check the credentials, and stop before too many failures lock them.',
  ERR_PKI_CUSTODY_KEY_MISSING: "Check the key's name, and that it is in this place.",
  ERR_PKI_CUSTODY_KEY_EXISTS: 'Open that one, or choose another name.',
  ERR_PKI_CUSTODY_FAILED: 'Look it up in the documentation of the HSM or vault.',
};

export type CustodyErrorCode = Extract<PkiErrorCode, `ERR_PKI_CUSTODY_${string}`>;

/**
 * @param place - which token or vault
 * @param problem - what is the matter with it, as the rest of a sentence
 */
export function custodyError(code: CustodyErrorCode, place: string, problem: string, cause?: unknown): PkiError {
  return new PkiError(code, `${place} ${problem}. ${advice[code]}`, cause === undefined ? {} : { cause });
}
