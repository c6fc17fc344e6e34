import { DeviceAgentError } from '../errors.ts';
import { releasedAt } from '../released-at.ts';

/** A proxy's cached answer may be a few minutes old; a clock that is off by an hour is wrong. */
const toleranceMs = 3_600_000;

/**
 * Refuses a clock that shows a time before this release, or before a certificate that this device already has.
 *
 * @param release - when that was, ISO 8601
 * @throws {DeviceAgentError} ERR_AGENT_CLOCK
 */
export function checkClock(now: Date, certificatesFrom: readonly Date[], release = releasedAt): void {
  const earliest = new Date(Math.max(...[new Date(release ?? 0), ...certificatesFrom].map(Number)));
  if (now >= earliest) return;
  throw clockError(`shows ${now.toISOString()}, and it can't be earlier than ${earliest.toISOString()}`);
}

/**
 * Refuses a clock that is more than an hour before or after what a trusted server says.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CLOCK
 */
export function checkServerTime(now: Date, serverTime: Date): void {
  const differenceMs = now.getTime() - serverTime.getTime();
  if (Math.abs(differenceMs) <= toleranceMs) return;
  const minutes = Math.round(Math.abs(differenceMs) / 60_000);
  const direction = differenceMs > 0 ? 'fast' : 'slow';
  throw clockError(
    `is ${minutes} minutes ${direction}: it shows ${now.toISOString()}, the server ${serverTime.toISOString()}`,
  );
}

function clockError(what: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_CLOCK', `This device's clock ${what}. No certificate is renewed with it.`, {
    advice: 'Let NTP set the clock (is UDP port 123 open?), or replace the battery that keeps it.',
  });
}
