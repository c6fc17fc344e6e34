import type { DeviceIdentity } from '../identity/device-identity.ts';

const minuteMs = 60_000;
const firstRetryMs = 5 * minuteMs;
const longestRetryMs = 24 * 60 * minuteMs;

/**
 * When a certificate is renewed: after that part of its life, and up to a quarter of the rest later. Where in that quarter
 * follows from its thumbprint, so that a fleet issued in one hour doesn't come back in one, and a restart changes nothing.
 */
export function renewAt({ notBefore, notAfter, thumbprintSha256 }: DeviceIdentity, fraction: number): Date {
  const place = Number.parseInt(thumbprintSha256.slice(0, 8), 16) / 0x1_0000_0000;
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return new Date(notBefore.getTime() + lifeMs * (fraction + ((1 - fraction) / 4) * place));
}

/**
 * How long to wait after failures in a row: 5 minutes, doubled each time, a day at most; between half and all of it.
 *
 * @param random - 0 to 1
 */
export function retryDelayMs(failures: number, random: () => number): number {
  const ceilingMs = Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs);
  return ceilingMs * (0.5 + random() / 2);
}

/** The rest of a wait that was written down: never more than the longest, should the clock have been set back since. */
export function restOf(until: Date, now: Date): number {
  return Math.min(Math.max(until.getTime() - now.getTime(), 0), longestRetryMs);
}
