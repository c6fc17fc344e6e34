import type { DeviceAgentOptions } from '@contoso/device-agent';

/** A device process gets this first. */
export interface DeviceOptions {
  readonly registrationId: string;
  readonly chainPem: string;
  readonly privateKeyPem: string;
  readonly trustedRootsPem: string;
  readonly connectTo: { readonly idScope: string; readonly endpoint: string };
  readonly stateFolder: string;
  /** Where the application writes down what it did. */
  readonly journalFolder: string;
  /** How many times faster time goes by for the agent. */
  readonly speed: number;
  /** Where that began, in Unix milliseconds. */
  readonly beganMs: number;
  /** Between two telemetry messages, in real milliseconds. */
  readonly intervalMs: number;
  readonly fleet: NonNullable<DeviceAgentOptions['fleet']>;
}

/** What it is told later: to send nothing new and deliver what it has; to stop. */
export type DeviceOrder = 'finish' | 'stop';

/** What it says. */
export type DeviceReport =
  | { readonly type: 'status'; readonly status: string }
  | { readonly type: 'provisioning' }
  /** `send` has resolved for this number. */
  | { readonly type: 'promised'; readonly number: number }
  /** `send` has rejected. */
  | { readonly type: 'not-taken'; readonly code: string }
  /** A message with `isRepeated`. */
  | { readonly type: 'handed-over-again' }
  | { readonly type: 'flushed' }
  /** The agent has ended by itself. */
  | { readonly type: 'ended'; readonly error: string };
