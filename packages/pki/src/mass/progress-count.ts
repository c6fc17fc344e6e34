import type { IssueProgress } from './mass-order.ts';

/** Counts what has come of a run's items. */
export class ProgressCount {
  issued = 0;
  skipped = 0;
  refused = 0;
  readonly #total: number | undefined;
  /** When the first batch went to be signed: what was skipped before says nothing about the rate. */
  #startedAt: number | undefined;

  constructor(total: number | undefined) {
    this.#total = total;
  }

  start(): void {
    this.#startedAt ??= performance.now();
  }

  read(): IssueProgress {
    const { issued, skipped, refused } = this;
    const seconds = this.#startedAt === undefined ? 0 : (performance.now() - this.#startedAt) / 1000;
    const ratePerSecond = seconds > 0 ? issued / seconds : 0;
    const left = this.#total === undefined ? undefined : Math.max(0, this.#total - issued - skipped - refused);
    const secondsLeft = left === undefined || ratePerSecond === 0 ? undefined : left / ratePerSecond;
    return { issued, skipped, refused, total: this.#total, ratePerSecond, secondsLeft };
  }
}
