/** Decides how long to wait before the next try, or that there is none. Replace it to follow rules of your own. */
export interface RetryPolicy {
  /**
   * @param attempt - how many tries have failed in a row, from 1
   * @param lane - `transient` for what may heal by itself, `throttled` where the service asked for less
   * @returns milliseconds to wait, or undefined for "give up" (status `RetryExpired`)
   */
  nextDelayMs(attempt: number, lane: 'transient' | 'throttled'): number | undefined;
}

/** All times in milliseconds. */
export interface ExponentialBackoffOptions {
  /** Ceiling of the first wait; default 1,000. */
  readonly firstMs?: number;
  /** Ceiling of every later wait; default 100,000 (azure-sdk-for-c's advice for DPS and IoT Hub). */
  readonly maximumMs?: number;
  /** Floor in the throttled lane; default 10,000 (Microsoft's Node SDK). */
  readonly throttledMinimumMs?: number;
  /** Tries before giving up; default: never. */
  readonly maximumAttempts?: number;
  /** 0 (inclusive) to 1 (exclusive); default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Exponential backoff with full jitter: each wait is a random part of a ceiling that doubles, so that a fleet cut off
 * together doesn't come back together.
 */
export function exponentialBackoff(options: ExponentialBackoffOptions = {}): RetryPolicy {
  const {
    firstMs = 1_000,
    maximumMs = 100_000,
    throttledMinimumMs = 10_000,
    maximumAttempts = Infinity,
    random = Math.random,
  } = options;
  return {
    nextDelayMs(attempt, lane) {
      if (attempt > maximumAttempts) return undefined;
      const ceiling = Math.min(maximumMs, firstMs * 2 ** (attempt - 1));
      const delay = random() * ceiling;
      return lane === 'throttled' ? throttledMinimumMs + delay : delay;
    },
  };
}
