import type { StartTimer } from '../src/mqtt/timer.ts';

/** Time that passes when a test says so; starts at 2026-01-01. */
export class FakeClock {
  #nowMs = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<{ readonly dueMs: number; readonly call: () => void }>();

  readonly now = (): number => this.#nowMs;

  readonly startTimer: StartTimer = (delayMs, call) => {
    const timer = { dueMs: this.#nowMs + delayMs, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** For each timer that waits, how long it still does. */
  get delaysMs(): number[] {
    return [...this.#timers].map(({ dueMs }) => dueMs - this.#nowMs);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers].filter(({ dueMs }) => dueMs <= this.#nowMs)) {
      if (this.#timers.delete(timer)) timer.call();
    }
  }
}
