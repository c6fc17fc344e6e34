/** DPS allows a device five polls in ten seconds ("Azure DPS limits"); the way there may take one longer than another. */
const allowance = { polls: 5, withinMs: 11_000 };

/** DPS takes seconds, a custom allocation a minute: what takes longer holds up a device that may have a hub to go to. */
export const longestOperationMs = 5 * 60_000;

/** How soon one registration may be asked about again. */
export class PollPace {
  readonly #beganMs: number;
  readonly #random: () => number;
  readonly #askedMs: number[] = [];
  #waitedMs = 0;

  /** @param random - 0 (inclusive) to 1 (exclusive) */
  constructor(nowMs: number, random: () => number) {
    this.#beganMs = nowMs;
    this.#random = random;
  }

  /**
   * Milliseconds until the next poll, which counts as asked then. Undefined where that would be too late.
   *
   * @param namedMs - what DPS has asked for. Otherwise it is 2 s and up to 5 more, doubling to 100 s
   */
  nextDelayMs(nowMs: number, namedMs: number | undefined): number | undefined {
    const ownMs = Math.min(100_000, 2_000 * 2 ** this.#askedMs.length) + this.#random() * 5_000;
    const delayMs = Math.max(namedMs ?? ownMs, this.#untilAllowedMs(nowMs));
    // A clock that is set meanwhile makes neither of them endless.
    const lastedMs = Math.max(nowMs - this.#beganMs, this.#waitedMs);
    if (lastedMs + delayMs > longestOperationMs) return undefined;
    this.#waitedMs += delayMs;
    this.#askedMs.push(nowMs + delayMs);
    return delayMs;
  }

  #untilAllowedMs(nowMs: number): number {
    const fifthLastMs = this.#askedMs.at(-allowance.polls);
    if (fifthLastMs === undefined) return 0;
    return Math.min(Math.max(0, fifthLastMs + allowance.withinMs - nowMs), allowance.withinMs);
  }
}
