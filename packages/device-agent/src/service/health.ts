import type { ServiceEvent } from './method-calls.ts';
import { disconnected, type ConnectionState } from '../agent/connection-status.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { errorFields } from './log-line.ts';
import type { OutboxSummary } from './state-summary.ts';

/** What the events have said so far. */
export interface ConnectionHealth {
  readonly state: ConnectionState;
  /** ISO 8601, as all times here. */
  readonly since: string;
  readonly hub?: string;
  readonly deviceId?: string;
  readonly lastTelemetryAcknowledgedAt?: string;
  /** The last failure, mended or not. */
  readonly lastError?: Readonly<Record<string, unknown>> & { readonly at: string };
}

export function initialHealth(now: Date): ConnectionHealth {
  return { state: disconnected, since: now.toISOString() };
}

/** The health after an event. */
export function nextHealth(health: ConnectionHealth, event: ServiceEvent, now: Date): ConnectionHealth {
  const at = now.toISOString();
  switch (event.type) {
    case 'status':
      return {
        ...health,
        state: event.state,
        ...(event.state.status !== health.state.status && { since: at }),
        ...(event.error && { lastError: { at, ...errorFields(event.error) } }),
      };
    case 'connecting':
      return { ...health, hub: event.hostName, deviceId: event.deviceId };
    case 'telemetry-acknowledged':
      return { ...health, lastTelemetryAcknowledgedAt: at };
    default:
      return health;
  }
}

/** What the health file and `status` say. */
export interface HealthReport extends ConnectionHealth {
  readonly registrationId: string;
  /** Whether the agent's loop moves; it may well be without a connection. */
  readonly isAlive: boolean;
  readonly outbox?: OutboxSummary;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly writtenAt: string;
  /** A reader that finds it written longer ago than this may take the service for dead. */
  readonly validSeconds: number;
  readonly certificate: {
    readonly subject: string | undefined;
    readonly notAfter: string;
    readonly thumbprintSha256: string;
  };
}

export function certificateOf(identity: DeviceIdentity): HealthReport['certificate'] {
  const { chainSubjects, notAfter, thumbprintSha256 } = identity;
  return { subject: chainSubjects[0], notAfter: notAfter.toISOString(), thumbprintSha256 };
}
