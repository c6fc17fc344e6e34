import type { AgentEvent } from '../agent/agent-options.ts';
import { disconnected, type ConnectionState } from '../agent/connection-status.ts';
import type { Phase } from '../agent/phase.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import { errorFields } from './log-line.ts';
import type { OutboxSummary } from '../state/state-summary.ts';

/** What the events have said so far. */
export interface ConnectionHealth {
  readonly state: ConnectionState;
  readonly phase: Phase;
  /** The one in use. */
  readonly certificate: CertificateFacts;
  /** ISO 8601, as all times here. */
  readonly since: string;
  readonly hub?: string;
  readonly deviceId?: string;
  readonly lastTelemetryAcknowledgedAt?: string;
  /** The last failure, mended or not. */
  readonly lastError?: Readonly<Record<string, unknown>> & { readonly at: string };
}

export function initialHealth(certificate: CertificateFacts, now: Date): ConnectionHealth {
  return { state: disconnected, phase: 'stopped', certificate, since: now.toISOString() };
}

/** The health after an event. */
export function nextHealth(health: ConnectionHealth, event: AgentEvent, now: Date): ConnectionHealth {
  const at = now.toISOString();
  switch (event.type) {
    case 'status':
      return {
        ...health,
        state: event.state,
        ...(event.state.status !== health.state.status && { since: at }),
        ...(event.error && { lastError: { at, ...errorFields(event.error) } }),
      };
    case 'transition':
      return { ...health, phase: event.to };
    case 'connecting':
      return { ...health, hub: event.hostName, deviceId: event.deviceId, certificate: event.certificate };
    case 'certificate-renewed':
      return { ...health, certificate: event.certificate };
    case 'credential-refused':
      return { ...health, certificate: event.next };
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
}
