import { badCredential, deviceDisabled, retrying, type ConnectionState } from './connection-status.ts';
import type { DeviceAgentError } from './errors.ts';
import type { Destination } from './fleet.ts';
import type { RetryLane } from './retry-policy.ts';

/**
 * What went wrong, as far as the next step depends on it.
 *
 * - `hub-unreachable`: DNS, TCP, proxy, TLS, WebSocket, time-out, or a connection that ended
 * - `hub-unavailable`: CONNACK 3: the hub's own trouble, or too many connections. MQTT 3.1.1 has no Retry-After to go with it
 * - `hub-throttled`: 429 to a request on the connection
 * - `hub-refused`: CONNACK 4 or 5: unknown there, disabled, or another certificate (401, 403, 404)
 * - `hub-other`: any other answer
 * - `dps-unreachable`, `dps-unavailable` (5xx, or no hub could be assigned), `dps-throttled` (429)
 * - `dps-refused` (400, 401, 403, 404), `dps-disabled`: the enrollment is
 * - `server-untrusted`: somebody else answered, or the roots are old
 * - `certificate-expired`, `certificate-not-yet-valid`: by this device's clock, which may be what is wrong
 * - `device`: its own trouble, such as a full disk
 */
export type FailureKind =
  | 'hub-unreachable'
  | 'hub-unavailable'
  | 'hub-throttled'
  | 'hub-refused'
  | 'hub-other'
  | 'dps-unreachable'
  | 'dps-unavailable'
  | 'dps-throttled'
  | 'dps-refused'
  | 'dps-disabled'
  | 'server-untrusted'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'device';

/** What else the next step depends on. */
export interface Circumstances {
  /** Whether there is a DPS to ask. */
  readonly canProvision: boolean;
  /** Whether a hub is kept, or was given. */
  readonly hasHub: boolean;
  /** Refusals by a hub in a row, the one that is being answered included. */
  readonly hubRefusals: number;
}

/** Where to go after a failure, with what kind of waiting, what to show meanwhile, and the reason in a sentence. */
export interface NextStep {
  readonly to: Destination;
  readonly lane: RetryLane;
  readonly state: ConnectionState;
  readonly why: string;
}

/**
 * The rules of when to retry a hub and when to go back to DPS, apart from all doing and counting. A kept hub is never
 * forgotten before DPS names another: where both refuse, they are asked in turn.
 *
 * Sources: "Best practices for large-scale deployments", "Manage device reconnections", "Reprovisioning devices".
 */
export function nextStep(kind: FailureKind, circumstances: Circumstances): NextStep {
  const { canProvision, hasHub, hubRefusals } = circumstances;
  const dpsOrHub = canProvision ? 'dps' : 'hub';
  const hubOrDps = hasHub ? 'hub' : dpsOrHub;
  // DPS was only asked whether it knows better: the hub's own failure decides.
  const isSecondOpinion = hasHub && hubRefusals === 0;
  const retry = (to: Destination, lane: RetryLane, why: string): NextStep => ({ to, lane, why, state: retrying });
  switch (kind) {
    case 'hub-unreachable':
    case 'server-untrusted':
      return retry(hubOrDps, 'transient', 'it may heal by itself');
    case 'hub-unavailable':
      return retry(hubOrDps, 'unavailable', 'the hub is there and takes no more for now');
    case 'hub-throttled':
      return retry(hubOrDps, 'throttled', 'the hub asked for less');
    case 'hub-other':
      return retry(dpsOrHub, 'transient', 'the hub doesn’t serve it, DPS may know another');
    case 'hub-refused':
      if (canProvision && hubRefusals === 1)
        return retry('dps', 'transient', 'the hub refused it, DPS may know another');
      return refused(dpsOrHub, badCredential, 'the hub refused it, and DPS names no other');
    case 'dps-refused':
    case 'dps-disabled':
      if (isSecondOpinion) return retry('hub', 'transient', 'the hub that DPS gave before may come back');
      return refused(
        hubOrDps,
        kind === 'dps-refused' ? badCredential : deviceDisabled,
        'somebody has to let it in, in DPS',
      );
    case 'dps-unreachable':
      return retry(isSecondOpinion ? 'hub' : 'dps', 'transient', 'it may heal by itself');
    case 'dps-unavailable':
      return retry(
        isSecondOpinion ? 'hub' : 'dps',
        isSecondOpinion ? 'transient' : 'unavailable',
        'DPS can’t assign now',
      );
    case 'dps-throttled':
      return retry(isSecondOpinion ? 'hub' : 'dps', isSecondOpinion ? 'transient' : 'throttled', 'DPS asked for less');
    case 'certificate-expired':
      return refused(hubOrDps, badCredential, 'it needs a new certificate, or its clock is wrong');
    case 'certificate-not-yet-valid':
      return retry(hubOrDps, 'transient', 'its clock has to be set first');
    case 'device':
      return retry(hubOrDps, 'unavailable', 'the device has to mend itself first');
  }
}

function refused(to: Destination, state: ConnectionState, why: string): NextStep {
  return { to, lane: 'refused', state, why };
}

/** The kind of an error that ended a try or a connection. */
export function failureKindOf({ code, azureCode = 0 }: DeviceAgentError): FailureKind {
  const isThrottled = azureCode === 429 || Math.floor(azureCode / 1_000) === 429;
  switch (code) {
    case 'ERR_AGENT_HUB_REFUSED':
      // CONNACK 1 and 2 are about the protocol and the client ID (MQTT 3.1.1 section 3.2.2.3).
      return azureCode === 1 || azureCode === 2 ? 'hub-other' : 'hub-refused';
    case 'ERR_AGENT_HUB_BUSY':
      return isThrottled ? 'hub-throttled' : 'hub-unavailable';
    case 'ERR_AGENT_HUB_UNREACHABLE':
      return 'hub-unreachable';
    case 'ERR_AGENT_DPS_UNREACHABLE':
      return 'dps-unreachable';
    case 'ERR_AGENT_DPS_REFUSED':
      return 'dps-refused';
    case 'ERR_AGENT_DPS_DISABLED':
      return 'dps-disabled';
    case 'ERR_AGENT_DPS_BUSY':
      return isThrottled ? 'dps-throttled' : 'dps-unavailable';
    case 'ERR_AGENT_DPS_FAILED':
      return 'dps-unavailable';
    case 'ERR_AGENT_SERVER_UNTRUSTED':
      return 'server-untrusted';
    case 'ERR_AGENT_CERTIFICATE_EXPIRED':
      return 'certificate-expired';
    case 'ERR_AGENT_CERTIFICATE_NOT_YET_VALID':
      return 'certificate-not-yet-valid';
    default:
      return 'device';
  }
}
