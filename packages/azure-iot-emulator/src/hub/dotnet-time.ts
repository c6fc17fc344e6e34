/** Ticks of .NET (100 ns since year 1) at the start of 1970. */
const ticksAtUnixEpoch = 621_355_968_000_000_000n;

/** What Azure's identities say where something never happened; twins add a `Z` (seen in captures of both). */
export const neverInIdentity = '0001-01-01T00:00:00';
export const neverInTwin = '0001-01-01T00:00:00Z';

/** ISO 8601 in UTC with seven fraction digits, as .NET prints it. */
export function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace('Z', '0000Z');
}

/** Decimal .NET ticks, 18 digits; `subMillisecondTicks` is 0 to 9999. */
export function formatTicks(timeMs: number, subMillisecondTicks: number): string {
  return String(ticksAtUnixEpoch + BigInt(timeMs) * 10_000n + BigInt(subMillisecondTicks));
}

/** `MM/dd/yyyy HH:mm:ss`, as in the tracking text of an error. */
export function formatTrackingTime(timeMs: number): string {
  const [year, month, day, time] = new Date(timeMs).toISOString().split(/[-T.]/);
  return `${month ?? ''}/${day ?? ''}/${year ?? ''} ${time ?? ''}`;
}

/** `hh:mm:ss`, as .NET prints a whole number of seconds. */
export function formatDuration(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 19);
}
