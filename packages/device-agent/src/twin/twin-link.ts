import type { Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import type { TwinSession } from './twin-session.ts';

const shortestPauseMs = 1_000;
const longestPauseMs = 60_000;

/** One session, as long as the twin uses it. */
export class TwinLink {
  readonly session: TwinSession;
  /** Whether the whole twin is being asked for. */
  isFetching = false;
  /** How often a reported patch was left without an answer: what the hub answered before is of no use then. */
  doubts = 0;
  /** Whether a reported patch is on its way. */
  isSending = false;
  readonly #ending = new AbortController();
  readonly #time: { readonly clock: Clock; readonly random: () => number };
  #failures = 0;

  constructor(session: TwinSession, time: { readonly clock: Clock; readonly random: () => number }) {
    this.session = session;
    this.#time = time;
  }

  get isInUse(): boolean {
    return !this.#ending.signal.aborted;
  }

  end(): void {
    this.#ending.abort();
  }

  /** The hub has answered well: the next pause is a short one again. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits before the next try: exponential with full jitter, and no shorter than the hub asks for; or for the end of the link. */
  async pause(error?: unknown): Promise<void> {
    this.#failures += 1;
    const asked = error instanceof DeviceAgentError ? (error.retryAfterMs ?? 0) : 0;
    const spread = Math.min(longestPauseMs, shortestPauseMs * 2 ** this.#failures);
    const delayMs = Math.max(asked, shortestPauseMs) + this.#time.random() * spread;
    await this.#time.clock.delay(delayMs, this.#ending.signal).catch(() => undefined);
  }
}
