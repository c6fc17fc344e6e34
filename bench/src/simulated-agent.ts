import type { Destination, Reconnection } from '@contoso/device-agent';
import type { EventQueue } from './event-queue.ts';
import type { FleetService, Outcome } from './fleet-cloud.ts';

/** Options of {@link SimulatedAgent}. */
export interface SimulatedAgentOptions {
  readonly events: EventQueue;
  /** The agent's own decisions: the code that runs on a device. */
  readonly reconnection: Reconnection;
  readonly dps: FleetService;
  /** The hub that the device was assigned to. */
  readonly kept: FleetService;
  /** The hub that DPS names from now on. */
  readonly assigned: FleetService;
  readonly onBack: () => void;
}

/** A device as the services see it: its decisions are real, its connections are numbers. */
export class SimulatedAgent {
  readonly #options: SimulatedAgentOptions;
  #hub: FleetService;

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
    this.#hub = options.kept;
  }

  /** Begins with a connection that ends. */
  lose(): void {
    this.#failed({ kind: 'hub-unreachable' });
  }

  /** Begins with power. */
  start(): void {
    this.#options.events.after(this.#options.reconnection.startDelayMs(), () => this.#try('hub'));
  }

  #try(to: Destination): void {
    if (to === 'hub') this.#connect();
    else this.#follow(this.#options.dps.try(), () => this.#assigned());
  }

  #assigned(): void {
    this.#hub = this.#options.assigned;
    this.#connect();
  }

  #connect(): void {
    this.#follow(this.#hub.try(), () => {
      this.#options.reconnection.connected(this.#options.events.nowMs);
      this.#options.onBack();
    });
  }

  #follow({ afterMs, failure }: Outcome, onSuccess: () => void): void {
    this.#options.events.after(afterMs, failure ? () => this.#failed(failure) : onSuccess);
  }

  #failed(failure: NonNullable<Outcome['failure']>): void {
    const { events, reconnection } = this.#options;
    const decision = reconnection.failed({ ...failure, hasHub: true, nowMs: events.nowMs });
    if (decision.to === 'nowhere') throw new Error(`A device gave up: ${decision.why}`);
    const { to } = decision;
    events.after(decision.afterMs, () => this.#try(to));
  }
}
