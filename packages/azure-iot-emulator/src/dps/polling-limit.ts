import { DpsError } from './dps-error.ts';
import { registrationKey } from './registration-id.ts';

/** DPS limits (2026-04-24), not adjustable: a device may poll five times in ten seconds. */
const POLLS = 5;
const WINDOW_MS = 10_000;

/** Devices that are remembered before those without a poll in the window are forgotten. */
const MAX_DEVICES = 10_000;

/** Counts each device's polls in a sliding window. */
export class PollingLimit {
  readonly #polls = new Map<string, number[]>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @throws {ThrottledError} one poll too many */
  count(registrationId: string): void {
    const key = registrationKey(registrationId);
    const now = this.#now();
    const recent = (this.#polls.get(key) ?? []).filter((time) => time > now - WINDOW_MS);
    const oldest = recent[0];
    if (oldest !== undefined && recent.length >= POLLS) {
      throw new ThrottledError(Math.ceil((oldest + WINDOW_MS - now) / 1000));
    }
    this.#polls.set(key, [...recent, now]);
    if (this.#polls.size > MAX_DEVICES) this.#forgetIdle(now);
  }

  #forgetIdle(now: number): void {
    for (const [key, polls] of this.#polls) {
      if (polls.every((time) => time <= now - WINDOW_MS)) this.#polls.delete(key);
    }
  }
}

/** A poll over the limit; carries how many seconds to wait. */
export class ThrottledError extends DpsError {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(
      'tooManyRequests',
      'Operation was throttled. Retry later.',
      `more than ${POLLS} polls within ${WINDOW_MS / 1000} s`,
    );
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
