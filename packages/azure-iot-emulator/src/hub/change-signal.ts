import type { StartTimer } from '../mqtt/timer.ts';

interface Waiter {
  readonly check: () => boolean;
  readonly cancel: () => void;
}

/** Lets callers wait for a state that some change will bring about. */
export class ChangeSignal {
  readonly #startTimer: StartTimer;
  readonly #waiters = new Set<Waiter>();

  constructor(startTimer: StartTimer) {
    this.#startTimer = startTimer;
  }

  /** Asks `find` now and after each change; undefined after `timeoutMs` (0: only now), `givenUp` or {@link close}. */
  until<T>(find: () => T | undefined, timeoutMs: number, givenUp?: AbortSignal): Promise<T | undefined> {
    const found = find();
    if (found !== undefined || timeoutMs <= 0) return Promise.resolve(found);
    return new Promise((resolve) => {
      const settle = (value: T | undefined): void => {
        this.#waiters.delete(waiter);
        stopTimer();
        givenUp?.removeEventListener('abort', waiter.cancel);
        resolve(value);
      };
      const check = (): boolean => {
        const value = find();
        if (value !== undefined) settle(value);
        return value !== undefined;
      };
      const waiter: Waiter = { check, cancel: () => settle(undefined) };
      const stopTimer = this.#startTimer(timeoutMs, waiter.cancel);
      givenUp?.addEventListener('abort', waiter.cancel);
      this.#waiters.add(waiter);
    });
  }

  changed(): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters]) waiter.check();
  }

  close(): void {
    for (const waiter of [...this.#waiters]) waiter.cancel();
  }
}
