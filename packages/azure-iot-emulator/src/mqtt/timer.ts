/** Calls `call` once after `delayMs` milliseconds; what it returns cancels that. Tests hand in their own. */
export type StartTimer = (delayMs: number, call: () => void) => () => void;

/** setTimeout takes a signed 32-bit number of milliseconds; anything longer would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

/** The system's timers; they don't keep the process alive. */
export const startSystemTimer: StartTimer = (delayMs, call) => {
  let timer: NodeJS.Timeout;
  const wait = (remainingMs: number): void => {
    const stepMs = Math.min(remainingMs, longestDelayMs);
    timer = setTimeout(() => {
      if (remainingMs > stepMs) wait(remainingMs - stepMs);
      else call();
    }, stepMs);
    timer.unref();
  };
  wait(delayMs);
  return () => clearTimeout(timer);
};
