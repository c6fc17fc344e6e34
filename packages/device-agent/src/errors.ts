import type { CertificateFacts } from './network/certificate-facts.ts';
import type { NetworkFailureKind } from './network/connection-error.ts';

/**
 * What a `DeviceAgentError` is about. Branch on the code, not on the text:
 *
 * - `ERR_AGENT_IDENTITY_FILE`: a certificate or key file is missing or can't be read
 * - `ERR_AGENT_PASSWORD`: the password doesn't open the PFX or the key
 * - `ERR_AGENT_IDENTITY_INVALID`: no certificate in it, no key in it, or the two don't belong together
 * - `ERR_AGENT_TOKEN`: a key in a PKCS#11 token can't be used: no engine, no token, no such key
 * - `ERR_AGENT_CERTIFICATE_EXPIRED`, `ERR_AGENT_CERTIFICATE_NOT_YET_VALID`: by this device's clock
 * - `ERR_AGENT_DPS_REFUSED`: DPS knows nothing that lets this device in
 * - `ERR_AGENT_DPS_DISABLED`: the device's enrollment is disabled
 * - `ERR_AGENT_DPS_FAILED`: DPS took the registration and then failed to assign it
 * - `ERR_AGENT_DPS_BUSY`, `ERR_AGENT_HUB_BUSY`: the service throttles or has trouble of its own; `retryAfterMs` where it said when
 * - `ERR_AGENT_DPS_UNREACHABLE`, `ERR_AGENT_HUB_UNREACHABLE`: no connection, or none that lasts; `failure` says how it failed
 * - `ERR_AGENT_HUB_REFUSED`: the hub doesn't accept the device
 * - `ERR_AGENT_SERVER_UNTRUSTED`: the other side's certificate isn't trusted or isn't for that name
 * - `ERR_AGENT_RETRY_EXPIRED`: the retry policy has ended
 * - `ERR_AGENT_STATE`: the state folder can't be written, is damaged, or another agent holds it
 * - `ERR_AGENT_CONFIG`: the configuration file of `contoso-device` can't be used
 * - `ERR_AGENT_SECRET`: a password, PIN or root certificate that it names is missing or can't be read; it may come
 * - `ERR_AGENT_APPLICATION`: the application that it names can't be loaded, or failed
 * - `ERR_AGENT_MESSAGE_TOO_LARGE`: a telemetry message above the hub's 256 KiB, or properties above MQTT's topic length
 * - `ERR_AGENT_MESSAGE_INVALID`: a telemetry message that the hub would not take, or would take as something else
 * - `ERR_AGENT_OUTBOX_FULL`: the outbox has reached its limit, and its rule is to take nothing new
 * - `ERR_AGENT_TWIN`: reported properties break the twin's limits or their schema, or the hub refused them
 * - `ERR_AGENT_HANDLER_TIMEOUT`: a handler of the application took longer than its time-out
 * - `ERR_AGENT_CLOCK`: this device's clock is clearly wrong, so nothing that depends on it is done
 * - `ERR_AGENT_RENEWAL_UNREACHABLE`, `ERR_AGENT_RENEWAL_REFUSED`: the source of new certificates doesn't answer, or says no
 * - `ERR_AGENT_RENEWAL_PENDING`: it says "later", `retryAfterMs` when
 * - `ERR_AGENT_RENEWAL_CERTIFICATE`: what it sent is not a certificate that can replace this device's
 * - `ERR_AGENT_COMMAND`: an order of an operator or the application that can't be followed
 * - `ERR_AGENT_STOPPED`: the agent was stopped before the operation ended
 */
export type DeviceAgentErrorCode =
  | 'ERR_AGENT_IDENTITY_FILE'
  | 'ERR_AGENT_PASSWORD'
  | 'ERR_AGENT_IDENTITY_INVALID'
  | 'ERR_AGENT_TOKEN'
  | 'ERR_AGENT_CERTIFICATE_EXPIRED'
  | 'ERR_AGENT_CERTIFICATE_NOT_YET_VALID'
  | 'ERR_AGENT_DPS_REFUSED'
  | 'ERR_AGENT_DPS_DISABLED'
  | 'ERR_AGENT_DPS_FAILED'
  | 'ERR_AGENT_DPS_BUSY'
  | 'ERR_AGENT_HUB_BUSY'
  | 'ERR_AGENT_DPS_UNREACHABLE'
  | 'ERR_AGENT_HUB_UNREACHABLE'
  | 'ERR_AGENT_HUB_REFUSED'
  | 'ERR_AGENT_SERVER_UNTRUSTED'
  | 'ERR_AGENT_RETRY_EXPIRED'
  | 'ERR_AGENT_STATE'
  | 'ERR_AGENT_MESSAGE_TOO_LARGE'
  | 'ERR_AGENT_MESSAGE_INVALID'
  | 'ERR_AGENT_OUTBOX_FULL'
  | 'ERR_AGENT_TWIN'
  | 'ERR_AGENT_CONFIG'
  | 'ERR_AGENT_SECRET'
  | 'ERR_AGENT_APPLICATION'
  | 'ERR_AGENT_HANDLER_TIMEOUT'
  | 'ERR_AGENT_CLOCK'
  | 'ERR_AGENT_RENEWAL_UNREACHABLE'
  | 'ERR_AGENT_RENEWAL_REFUSED'
  | 'ERR_AGENT_RENEWAL_PENDING'
  | 'ERR_AGENT_RENEWAL_CERTIFICATE'
  | 'ERR_AGENT_COMMAND'
  | 'ERR_AGENT_STOPPED';

/** What is known about a failure besides its code. */
export interface FailureDetails {
  readonly cause?: unknown;
  /** What to do next, in a sentence or two; it ends the message too. */
  readonly advice: string;
  /** DPS's `errorCode`, such as 401002, a twin answer's status, or the MQTT CONNACK return code of a hub, 1 to 5. */
  readonly azureCode?: number | undefined;
  /** What support asks for. */
  readonly trackingId?: string | undefined;
  /** Milliseconds; the service asked to be left alone for so long. */
  readonly retryAfterMs?: number | undefined;
  /** Where on the way to the service it failed. */
  readonly failure?: NetworkFailureKind | undefined;
  readonly certificate?: CertificateFacts | undefined;
}

/** Every failure of this package. The message says what failed, for which device, and what to do next. */
export class DeviceAgentError extends Error {
  override readonly name = 'DeviceAgentError';
  readonly code: DeviceAgentErrorCode;
  readonly advice: string;
  readonly azureCode: number | undefined;
  readonly trackingId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly failure: NetworkFailureKind | undefined;
  readonly certificate: CertificateFacts | undefined;

  constructor(code: DeviceAgentErrorCode, message: string, details: FailureDetails) {
    const { advice } = details;
    super(`${message} ${advice}`, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.advice = advice;
    this.azureCode = details.azureCode;
    this.trackingId = details.trackingId;
    this.retryAfterMs = details.retryAfterMs;
    this.failure = details.failure;
    this.certificate = details.certificate;
  }
}

/** Whatever was thrown, as an error of this package: what isn't one already is a fault of the agent itself. */
export function asAgentError(thrown: unknown, advice: string): DeviceAgentError {
  if (thrown instanceof DeviceAgentError) return thrown;
  return new DeviceAgentError('ERR_AGENT_STATE', `The agent failed: ${textOf(thrown)}.`, { cause: thrown, advice });
}

/** The agent was stopped before something had ended. */
export function stopped(who: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_STOPPED', `${who} was stopped.`, { advice: 'Start it again to go on.' });
}

/** The text of whatever was thrown, for use inside a message. */
export function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
