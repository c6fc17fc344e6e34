import { badCredential, deviceDisabled, type ConnectionState } from './connection-status.ts';
import type { DeviceAgentError } from './errors.ts';

/** What the agent knows when a try has failed. */
export interface Failure {
  readonly error: DeviceAgentError;
  /** Failures in a row, this one included. */
  readonly attempt: number;
  /** Refusals by a hub in a row, this one included. */
  readonly hubRefusals: number;
  /** Whether the agent can ask DPS at all, or was given a hub. */
  readonly canProvision: boolean;
}

/** Where to go next: the same hub, DPS, or nowhere. */
export type NextStep =
  | { readonly to: 'hub' | 'dps'; readonly after: 'delay' | 'now' }
  | { readonly to: 'end'; readonly state: ConnectionState };

/** Ten failures in a row, then DPS may know better (concepts-manage-device-reconnections, "failed 10 consecutive times"). */
const failuresUntilDps = 10;

/** One refusal sends the device to DPS; the hub may need a moment to know it; a third in a row is an answer. */
const refusalsUntilEnd = 3;

/** The rules of when to retry a hub and when to go back to DPS, apart from all doing. */
export function nextStep({ error, attempt, hubRefusals, canProvision }: Failure): NextStep {
  switch (error.code) {
    case 'ERR_AGENT_DPS_REFUSED':
      return { to: 'end', state: badCredential };
    case 'ERR_AGENT_DPS_DISABLED':
      return { to: 'end', state: deviceDisabled };
    case 'ERR_AGENT_CERTIFICATE_EXPIRED':
    case 'ERR_AGENT_CERTIFICATE_NOT_YET_VALID':
      return { to: 'end', state: badCredential };
    case 'ERR_AGENT_HUB_REFUSED':
      if (!canProvision || hubRefusals >= refusalsUntilEnd) return { to: 'end', state: badCredential };
      return { to: 'dps', after: hubRefusals === 1 ? 'now' : 'delay' };
    case 'ERR_AGENT_HUB_UNREACHABLE':
      return { to: canProvision && attempt % failuresUntilDps === 0 ? 'dps' : 'hub', after: 'delay' };
    default:
      return { to: 'hub', after: 'delay' };
  }
}
