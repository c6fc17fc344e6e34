import { DpsError } from './dps-error.ts';

/** Keys that are remembered before those without a call in the window are forgotten. */
const MAX_KEYS = 10_000;

/** Options of {@link RateLimit}. */
export interface RateLimitOptions {
  /** Calls in the window; `Infinity` for no limit. */
  readonly calls: number;
  readonly windowMs: number;
  /** What is counted, for the log. */
  readonly what: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Times of the calls of each key, in Unix milliseconds. */
  readonly kept: Map<string, readonly number[]>;
}

/** Counts the calls of each key in a sliding window. */
export class RateLimit {
  readonly #options: RateLimitOptions;

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** @throws {ThrottledError} one call too many */
  count(key: string): void {
    const { calls, windowMs, what, kept } = this.#options;
    if (calls === Infinity) return;
    const now = this.#options.now();
    const recent = (kept.get(key) ?? []).filter((time) => time > now - windowMs);
    if (recent.length >= calls) {
      const oldest = recent[0] ?? now;
      throw new ThrottledError(
        Math.max(1, Math.ceil((oldest + windowMs - now) / 1000)),
        `more than ${calls} ${what} within ${windowMs / 1000} s`,
      );
    }
    kept.set(key, [...recent, now]);
    if (kept.size > MAX_KEYS) this.#forgetIdle(now - windowMs);
  }

  #forgetIdle(since: number): void {
    const { kept } = this.#options;
    for (const [key, times] of kept) {
      if (times.every((time) => time <= since)) kept.delete(key);
    }
  }
}

/** A call over a limit; carries how many seconds to wait. */
export class ThrottledError extends DpsError {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number, reason: string) {
    super('tooManyRequests', 'Operations are being throttled for this tenant.', reason);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
