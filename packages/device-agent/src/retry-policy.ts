import { spreadWindowMs, type Destination, type Fleet } from './fleet.ts';

/**
 * What kind of waiting a failure asks for:
 *
 * - `transient`: it may heal by itself at any moment
 * - `unavailable`: the service is there and can't serve (5xx, CONNACK 3)
 * - `throttled`: the service asked for less (429)
 * - `refused`: the credential isn't accepted; the same one hardly will be soon
 */
export type RetryLane = 'transient' | 'unavailable' | 'throttled' | 'refused';

/** A try that failed, and the one that is to come. */
export interface FailedTry {
  /** Failures in a row, this one included. */
  readonly attempt: number;
  readonly lane: RetryLane;
  /** How many of them asked for this lane and this destination, this one included. */
  readonly attemptInLane: number;
  /** Where the next try goes. */
  readonly to: Destination;
}

/** Decides how long to wait before the next try, or that there is none. Replace it to follow rules of your own. */
export interface RetryPolicy {
  /**
   * What a service's Retry-After asks for is waited beside it, whatever the policy says.
   *
   * @returns milliseconds to wait, or undefined for "give up" (status `RetryExpired`)
   */
  nextDelayMs(failed: FailedTry): number | undefined;
}

/** All times in milliseconds. */
export interface ExponentialBackoffOptions {
  /** Ceiling of the first wait in the transient lane; default 1,000, before DPS 5,000. */
  readonly firstMs?: number;
  /** Ceiling of every later wait there; default 100,000 (azure-sdk-for-c's advice for DPS and IoT Hub). */
  readonly maximumMs?: number;
  /** Ceiling of the waits of a device that is refused; default 3,600,000. */
  readonly refusedMaximumMs?: number;
  /** Tries before giving up; default: never. */
  readonly maximumAttempts?: number;
  /** Spreads the waits over the time that so many devices need. */
  readonly fleet?: Fleet;
  /** 0 (inclusive) to 1 (exclusive); default `Math.random`. */
  readonly random?: () => number;
}

/** A wait lies between `floorMs` and `floorMs` plus a ceiling that doubles from `firstMs` to `maximumMs`. */
interface Waits {
  readonly floorMs: number;
  readonly firstMs: number;
  readonly maximumMs: number;
}

const minuteMs = 60_000;

/**
 * Exponential backoff with full jitter: each wait is a random part of a ceiling that doubles, so that a fleet cut off
 * together doesn't come back together. With a `fleet`, the first wait is a random part of its window, and each later one
 * at least the window: every device keeps its own moment in it, and tries stay below the quota however long it takes.
 */
export function exponentialBackoff(options: ExponentialBackoffOptions = {}): RetryPolicy {
  const { maximumAttempts = Infinity, fleet = { size: 1 }, random = Math.random } = options;
  return {
    nextDelayMs({ attempt, lane, attemptInLane, to }) {
      if (attempt > maximumAttempts) return undefined;
      const { floorMs, firstMs, maximumMs } = waitsOf(lane, to, options);
      const ceilingMs = Math.min(maximumMs, firstMs * 2 ** (attemptInLane - 1));
      const windowMs = spreadWindowMs(fleet, to);
      if (lane === 'transient' && attemptInLane === 1) return floorMs + random() * Math.max(ceilingMs, windowMs);
      const waitMs = floorMs + random() * ceilingMs;
      return isSpread(lane, attemptInLane) ? Math.max(waitMs, windowMs) : waitMs;
    },
  };
}

/** Who was only turned away at a full door comes back soon: the others keep to their moments. */
function isSpread(lane: RetryLane, attemptInLane: number): boolean {
  return lane !== 'throttled' && (lane !== 'unavailable' || attemptInLane > 1);
}

function waitsOf(lane: RetryLane, to: Destination, options: ExponentialBackoffOptions): Waits {
  switch (lane) {
    case 'transient': {
      const { firstMs = to === 'hub' ? 1_000 : 5_000, maximumMs = 100_000 } = options;
      return { floorMs: to === 'hub' ? 0 : Math.min(1_000, firstMs), firstMs, maximumMs };
    }
    case 'unavailable':
      return { floorMs: 5_000, firstMs: 10_000, maximumMs: 15 * minuteMs };
    case 'throttled':
      return { floorMs: 10_000, firstMs: 10_000, maximumMs: 15 * minuteMs };
    case 'refused':
      return { floorMs: minuteMs, firstMs: minuteMs, maximumMs: options.refusedMaximumMs ?? 60 * minuteMs };
  }
}
