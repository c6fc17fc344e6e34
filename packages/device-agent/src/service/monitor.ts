import type { AgentEvent } from '../agent/agent-options.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { initialHealth, nextHealth, type ConnectionHealth, type HealthReport } from './health.ts';
import type { OutboxSummary } from '../state/state-summary.ts';
import { isAlive, nextWordDue, type NextWordDue } from './liveness.ts';

export interface MonitorOptions {
  readonly identity: DeviceIdentity;
  readonly version: string;
  /** How long a report is good for. */
  readonly validSeconds: number;
  /** Called after an event that changes the connection's status. */
  readonly onStatus: () => void;
  readonly outbox: () => OutboxSummary | undefined;
}

/** Follows an agent by its events: how it is, and whether its loop moves. */
export class ServiceMonitor {
  readonly #options: MonitorOptions;
  readonly #startedAt = new Date().toISOString();
  #health: ConnectionHealth;
  #due: NextWordDue;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#health = initialHealth(options.identity.certificate, new Date());
  }

  take(event: AgentEvent): void {
    const { status } = this.#health.state;
    this.#due = nextWordDue(this.#due, event, performance.now());
    this.#health = nextHealth(this.#health, event, new Date());
    if (this.#health.state.status !== status) this.#options.onStatus();
  }

  get isAlive(): boolean {
    return isAlive(this.#due, performance.now());
  }

  get isReady(): boolean {
    return this.#health.state.status === 'Connected';
  }

  /** For `systemctl status`: one line. */
  get statusLine(): string {
    const { state, hub, lastError } = this.#health;
    const cause = this.isReady ? hub : lastError?.['code'];
    return `${state.status}${typeof cause === 'string' ? ` (${cause})` : ''}`;
  }

  report(): HealthReport {
    const { identity, version, validSeconds } = this.#options;
    const outbox = this.#options.outbox();
    return {
      registrationId: identity.registrationId,
      ...this.#health,
      isAlive: this.isAlive,
      ...(outbox && { outbox }),
      version,
      pid: process.pid,
      startedAt: this.#startedAt,
      writtenAt: new Date().toISOString(),
      validSeconds,
    };
  }
}
