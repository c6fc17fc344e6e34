/** Nobody means more, and timers end at 24 days. */
const longestMs = 86_400_000;

/**
 * Milliseconds of a topic's `retry-after`, which is whole seconds; undefined where there is none, or one that can't be read.
 *
 * @param parameters - of the topic, behind its `?`
 */
export function readRetryAfterMs(parameters: URLSearchParams): number | undefined {
  const seconds = parameters.get('retry-after');
  return seconds !== null && /^\d+$/.test(seconds) ? Math.min(Number(seconds) * 1_000, longestMs) : undefined;
}
