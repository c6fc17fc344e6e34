import type { DeviceAgentError } from '../errors.ts';

/**
 * Where an agent is in its life:
 *
 * - `stopped`: nothing is open
 * - `waiting`: until the next try
 * - `registering`: at DPS
 * - `connecting`: to a hub
 * - `connected`
 */
export type Phase = 'stopped' | 'waiting' | 'registering' | 'connecting' | 'connected';

/** All there are; the README draws them. */
export const transitions: Readonly<Record<Phase, readonly Phase[]>> = {
  stopped: ['waiting'],
  waiting: ['registering', 'connecting', 'stopped'],
  registering: ['connecting', 'waiting', 'stopped'],
  connecting: ['connected', 'waiting', 'stopped'],
  connected: ['waiting', 'stopped'],
};

/** One step of an agent's life, and why. */
export interface TransitionEvent {
  readonly type: 'transition';
  readonly from: Phase;
  readonly to: Phase;
  readonly cause: string;
  /** Where a failure is the cause. */
  readonly error?: DeviceAgentError;
}

/** Keeps an agent to the transitions that there are. */
export class PhaseKeeper {
  readonly #onTransition: (event: TransitionEvent) => void;
  #phase: Phase = 'stopped';

  constructor(onTransition: (event: TransitionEvent) => void) {
    this.#onTransition = onTransition;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** A transition that isn't drawn is a bug of ours, and no state to go on in. */
  enter(to: Phase, cause: string, error?: DeviceAgentError): void {
    const from = this.#phase;
    if (!transitions[from].includes(to)) throw new Error(`No transition from ${from} to ${to} (${cause}).`);
    this.#phase = to;
    this.#onTransition({ type: 'transition', from, to, cause, ...(error && { error }) });
  }
}
