import { toTimeout, type Progress } from './connection-timeout.ts';
import type { ServerAddress } from './server-address.ts';

/** What bounds an attempt. */
export interface AttemptLimits {
  /** Milliseconds for all of it; default 20,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A way to a server under way. */
export interface Attempt {
  /** Kept up by who does the work; the error of a time-out tells from it what had no answer. */
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Does work that ends with its signal, and aborts that when time is up or the caller's signal is aborted, with its reason. */
export async function attempt<T>(
  server: ServerAddress,
  { timeoutMs = 20_000, signal }: AttemptLimits,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const progress: Progress = { step: 'dns' };
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(toTimeout(server, progress, timeoutMs)), timeoutMs);
  const onAbort = (): void => ended.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    return await work({ progress, signal: ended.signal });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
