/** Counts by the second, and knows the busiest minute. */
export class MinuteRate {
  readonly #seconds: number[] = [];

  count(nowMs: number): void {
    const second = Math.floor(nowMs / 1_000);
    this.#seconds[second] = (this.#seconds[second] ?? 0) + 1;
  }

  get total(): number {
    return this.#seconds.reduce((sum, count) => sum + count, 0);
  }

  /** The most in any sixty seconds in a row. */
  busiestMinute(): number {
    let inMinute = 0;
    let most = 0;
    for (let second = 0; second < this.#seconds.length; second += 1) {
      inMinute += (this.#seconds[second] ?? 0) - (this.#seconds[second - 60] ?? 0);
      most = Math.max(most, inMinute);
    }
    return most;
  }

  /** Per second, over a time from there on. */
  between(fromMs: number, toMs: number): number {
    const counts = this.#seconds.slice(Math.floor(fromMs / 1_000), Math.floor(toMs / 1_000));
    // Seconds without a try are holes, which reduce leaves out.
    return counts.reduce((sum, count) => sum + count, 0) / ((toMs - fromMs) / 1_000);
  }
}
