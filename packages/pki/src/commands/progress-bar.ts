import type { IssueProgress } from '../mass/mass-order.ts';

const barWidth = 24;
const intervalMs = 100;

/** One line that is drawn over again, on a terminal only. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  #drawnAt = -Infinity;
  #isDrawn = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(progress: IssueProgress): void {
    const now = performance.now();
    if (!this.#stream.isTTY || now - this.#drawnAt < intervalMs) return;
    this.#drawnAt = now;
    this.#isDrawn = true;
    this.#stream.write(`\r${describeProgress(progress).slice(0, this.#stream.columns - 1)}\u001b[K`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001b[K');
    this.#isDrawn = false;
  }
}

/** `[######------] 12,345 of 50,000, 27,400/s, 2 s left`. */
export function describeProgress({
  issued,
  skipped,
  refused,
  total,
  ratePerSecond,
  secondsLeft,
}: IssueProgress): string {
  const done = issued + skipped + refused;
  const filled = Math.round((barWidth * done) / Math.max(total ?? done, 1));
  const bar = total === undefined ? '' : `[${'#'.repeat(filled).padEnd(barWidth, '-')}] `;
  const of = total === undefined ? '' : ` of ${toText(total)}`;
  const left = secondsLeft === undefined ? '' : `, ${describeSeconds(secondsLeft)} left`;
  return `${bar}${toText(done)}${of}, ${toText(Math.round(ratePerSecond))}/s${left}`;
}

function describeSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function toText(count: number): string {
  return count.toLocaleString('en');
}
