import { PkiError } from '../errors.ts';
import { custodyError, type CustodyErrorCode } from './custody-error.ts';

/** What the clients of Azure SDK throw, as far as it matters here. */
interface ServiceError {
  name?: string;
  message?: string;
  statusCode?: number;
  code?: string;
}

/**
 * One of our errors for whatever the client threw.
 *
 * Its cause is a copy of what the service said: the client's own error also carries the request, and with it the token.
 */
export function fromKeyVault(error: unknown, place: string, doing: string): PkiError {
  if (error instanceof PkiError) return error;
  const { name, message = '', statusCode, code } = error as ServiceError;
  const [ours, problem] = classify(error as ServiceError);
  const cause = Object.assign(new Error(message), { name, statusCode, code });
  const answer = [statusCode, code].filter((part) => part !== undefined).join(' ');
  return custodyError(ours, place, `${problem} (while ${doing}${answer === '' ? '' : `: ${answer}`})`, cause);
}

function classify({ name = '', statusCode, code }: ServiceError): [CustodyErrorCode, string] {
  if (statusCode === 401 || statusCode === 403 || /Authentication|CredentialUnavailable/.test(name)) {
    return ['ERR_PKI_CUSTODY_DENIED', "doesn't let these credentials do this"];
  }
  if (statusCode === 404) return ['ERR_PKI_CUSTODY_KEY_MISSING', 'has no such key'];
  if (statusCode === 409) return ['ERR_PKI_CUSTODY_KEY_EXISTS', 'has a key of this name, perhaps a deleted one'];
  if (statusCode === 429) return ['ERR_PKI_CUSTODY_UNAVAILABLE', 'takes no more requests for now'];
  const isUnreached = statusCode === undefined && code !== undefined;
  if (isUnreached || (statusCode ?? 0) >= 500) return ['ERR_PKI_CUSTODY_UNAVAILABLE', "can't be reached"];
  return ['ERR_PKI_CUSTODY_FAILED', 'failed'];
}
