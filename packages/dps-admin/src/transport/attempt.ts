import { isRestError } from '@azure/core-rest-pipeline';
import type { RestError } from '@azure/core-rest-pipeline';
import { DpsAdminError, isDpsAdminError } from '../errors.ts';
import type { DpsAdminErrorCode } from '../errors.ts';
import { readAzureFailure } from './azure-failure.ts';
import type { AzureFailure } from './azure-failure.ts';
import { nextStep } from './next-step.ts';

/** What a request is about; decides what Azure's 404 and 409 mean. */
export type Subject =
  | 'subscription'
  | 'resource-group'
  | 'dps'
  | 'iot-hub'
  | 'certificate'
  | 'enrollment-group'
  | 'enrollment'
  | 'registration'
  | 'device';

/** One request as an operator would name it: `Could not {doing}: ...`. */
export interface Task {
  readonly doing: string;
  readonly subject: Subject;
}

/** Runs a request; whatever it throws becomes a DpsAdminError that names the task. */
export async function attempt<Result>(task: Task, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw toDpsAdminError(error, task);
  }
}

export function toDpsAdminError(error: unknown, task: Task): DpsAdminError {
  if (isDpsAdminError(error)) return error;
  const answered = causes(error).find(
    (cause): cause is RestError => isRestError(cause) && cause.response !== undefined,
  );
  const signIn = signInFailure(error);
  if (signIn !== undefined) return describe({ code: 'ERR_SIGN_IN', task, failure: signIn, cause: error });
  if (answered?.response !== undefined) {
    const { status, headers, bodyAsText } = answered.response;
    return answerError({
      status,
      header: (name) => headers.get(name),
      body: bodyAsText ?? undefined,
      task,
      cause: error,
    });
  }
  const networkCode = causes(error)
    .map(networkFailure)
    .find((code) => code !== undefined);
  if (networkCode !== undefined)
    return describe({ code: networkCode, task, failure: { text: networkText(error) }, cause: error });
  const text = isErrorLike(error) ? error.message : String(error);
  return describe({ code: 'ERR_SERVICE_FAILED', task, failure: { text }, cause: error });
}

/** An error answer as an error of ours. */
export function answerError(answer: {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: string | undefined;
  readonly task: Task;
  readonly cause?: unknown;
}): DpsAdminError {
  const { status, header, body, task, cause } = answer;
  const failure = readAzureFailure(header, body);
  return describe({ code: codeOf(status, failure.azureCode, task.subject), task, failure, status, cause });
}

function describe(found: {
  readonly code: DpsAdminErrorCode;
  readonly task: Task;
  readonly failure: AzureFailure;
  readonly status?: number;
  readonly cause?: unknown;
}): DpsAdminError {
  const { code, task, failure, status, cause } = found;
  const facts = [
    ...(status === undefined ? [] : [`HTTP ${status}`]),
    ...(failure.azureCode === undefined ? [] : [`Azure's code ${failure.azureCode}`]),
    ...(failure.trackingId === undefined ? [] : [`tracking ID ${failure.trackingId}`]),
  ];
  const { advice, text } = nextStep(code);
  const said = failure.text === undefined ? 'Azure gave no reason' : failure.text.replace(/\.?\s*$/, '');
  const message = `Could not ${task.doing}: ${said}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}. ${text}`;
  const { azureCode, trackingId, retryAfterMs } = failure;
  return new DpsAdminError(code, message, {
    advice,
    ...(status === undefined ? {} : { httpStatus: status }),
    ...(azureCode === undefined ? {} : { azureCode }),
    ...(trackingId === undefined ? {} : { trackingId }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    cause,
  });
}

/** Codes that say it better than the status does. The management plane's and the data planes' numbers don't mean the same. */
const codesByAzure: Readonly<Record<string, DpsAdminErrorCode>> = {
  ResourceGroupNotFound: 'ERR_RESOURCE_GROUP_NOT_FOUND',
  SubscriptionNotFound: 'ERR_SUBSCRIPTION_NOT_FOUND',
  InvalidSubscriptionId: 'ERR_SUBSCRIPTION_NOT_FOUND',
  IotHubNotFound: 'ERR_HUB_NOT_FOUND',
  '401001': 'ERR_HUB_NOT_FOUND',
  '404015': 'ERR_CERTIFICATE_NOT_FOUND',
  '400053': 'ERR_PROOF_REJECTED',
  '409004': 'ERR_NAME_TAKEN',
  '409002': 'ERR_NOT_ACTIVE',
};

const notFound: Readonly<Record<Subject, DpsAdminErrorCode>> = {
  subscription: 'ERR_SUBSCRIPTION_NOT_FOUND',
  'resource-group': 'ERR_RESOURCE_GROUP_NOT_FOUND',
  dps: 'ERR_DPS_NOT_FOUND',
  'iot-hub': 'ERR_HUB_NOT_FOUND',
  certificate: 'ERR_DPS_NOT_FOUND',
  'enrollment-group': 'ERR_DPS_NOT_FOUND',
  enrollment: 'ERR_DPS_NOT_FOUND',
  registration: 'ERR_DPS_NOT_FOUND',
  device: 'ERR_HUB_NOT_FOUND',
};

function codeOf(status: number, azureCode: string | undefined, subject: Subject): DpsAdminErrorCode {
  const known = azureCode === undefined ? undefined : codesByAzure[azureCode];
  if (known !== undefined) return known;
  if (status === 401 || status === 403) return 'ERR_NOT_AUTHORIZED';
  if (status === 404) return notFound[subject];
  if (status === 409 && subject === 'enrollment-group') return 'ERR_ENROLLMENT_GROUP_EXISTS';
  if (status === 409 && subject === 'enrollment') return 'ERR_ENROLLMENT_EXISTS';
  if (status === 409) return 'ERR_CONFLICT';
  if (status === 412) return 'ERR_ETAG_STALE';
  if (status === 429) return 'ERR_THROTTLED';
  if (status === 408 || (status >= 500 && status !== 501)) return 'ERR_SERVICE_FAILED';
  return 'ERR_REQUEST_REFUSED';
}

const networkCodes: Readonly<Record<string, DpsAdminErrorCode>> = {
  ECONNREFUSED: 'ERR_CONNECTION_REFUSED',
  ENOTFOUND: 'ERR_NAME_NOT_RESOLVED',
  EAI_AGAIN: 'ERR_NAME_NOT_RESOLVED',
  ETIMEDOUT: 'ERR_TIMEOUT',
  ECONNRESET: 'ERR_CONNECTION_LOST',
  EPIPE: 'ERR_CONNECTION_LOST',
  EHOSTUNREACH: 'ERR_CONNECTION_LOST',
  ENETUNREACH: 'ERR_CONNECTION_LOST',
  REQUEST_SEND_ERROR: 'ERR_CONNECTION_LOST',
  PARSE_ERROR: 'ERR_CONNECTION_LOST',
  SELF_SIGNED_CERT_IN_CHAIN: 'ERR_TLS_UNTRUSTED',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'ERR_TLS_UNTRUSTED',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'ERR_TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT: 'ERR_TLS_UNTRUSTED',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'ERR_TLS_UNTRUSTED',
  CERT_HAS_EXPIRED: 'ERR_TLS_UNTRUSTED',
  CERT_NOT_YET_VALID: 'ERR_TLS_UNTRUSTED',
  ERR_TLS_CERT_ALTNAME_INVALID: 'ERR_TLS_UNTRUSTED',
};

function networkFailure(error: unknown): DpsAdminErrorCode | undefined {
  if (!isErrorLike(error)) return undefined;
  if (error.name === 'AbortError') return 'ERR_TIMEOUT';
  return typeof error.code === 'string' ? networkCodes[error.code] : undefined;
}

function networkText(error: unknown): string {
  const found = causes(error).find((cause) => networkFailure(cause) !== undefined);
  if (!isErrorLike(found)) return 'no answer came';
  if (found.name === 'AbortError') return 'no answer came in time';
  const host = isRestError(found) && found.request !== undefined ? ` (${new URL(found.request.url).host})` : '';
  // Node's error of several attempts, one for each address, has an empty message.
  return `${found.message === '' ? String(found.code) : found.message}${host}`;
}

/** @azure/identity's errors, by name: they are no RestErrors, and the classes exist once for each installed copy. */
function signInFailure(error: unknown): AzureFailure | undefined {
  const found = causes(error).find(
    (cause): cause is ErrorLike =>
      isErrorLike(cause) &&
      /^(?:\w*AuthenticationError|AuthenticationRequiredError|CredentialUnavailableError)$/.test(cause.name),
  );
  if (found === undefined || causes(error).some((cause) => networkFailure(cause) !== undefined)) return undefined;
  const azureCode = /AADSTS\d+/.exec(found.message)?.[0];
  const trackingId = /(?:Trace ID|trace_id)["']?[:=]\s*"?([0-9a-f-]{36})/i.exec(found.message)?.[1];
  return {
    text: signInText(found.message),
    ...(azureCode === undefined ? {} : { azureCode }),
    ...(trackingId === undefined ? {} : { trackingId }),
  };
}

function signInText(message: string): string {
  // What follows are IDs, several times over; the first is kept as tracking ID.
  const reason = (/AADSTS\d+:[^\r\n]*/.exec(message)?.[0] ?? message).replace(/\s*(?:- )?Trace ID:.*$/s, '');
  return reason.replaceAll(/\s+/g, ' ').slice(0, 600);
}

/** The error and what caused it, outermost first. */
function causes(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let next = error; next !== undefined && found.length < 8; next = isErrorLike(next) ? next.cause : undefined) {
    found.push(next);
  }
  return found;
}

/** By shape: errors of Node's own are no instances of a worker's or sandbox's Error. */
interface ErrorLike {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly cause?: unknown;
}

function isErrorLike(value: unknown): value is ErrorLike {
  return (
    typeof value === 'object' &&
    value !== null &&
    'message' in value &&
    typeof value.message === 'string' &&
    'name' in value
  );
}
