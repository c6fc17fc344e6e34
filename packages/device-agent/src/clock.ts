/** Time as the agent sees it; tests pass their own. */
export interface Clock {
  now(): Date;
  /** Milliseconds since a moment of its own: it goes on evenly when the clock is set. Default: by `now`. */
  elapsedMs?(): number;
  /** Resolves after the delay; rejects with the signal's reason as soon as it aborts. */
  delay(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => new Date(),
  elapsedMs: () => performance.now(),
  delay: (milliseconds, signal) =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      }, milliseconds);
      signal.addEventListener('abort', onAbort, { once: true });
    }),
};

/**
 * Waits for the time to pass or for one of the signals, whichever comes first. (`AbortSignal.any` leaves a trace of each wait at a
 * signal that lives as long as the agent.)
 */
export async function pause(clock: Clock, milliseconds: number, signals: readonly AbortSignal[]): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  if (signals.some(({ aborted }) => aborted)) return;
  for (const signal of signals) signal.addEventListener('abort', end);
  try {
    await clock.delay(milliseconds, over.signal).catch(() => undefined);
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', end);
  }
}
