import type { Clock } from './clock.ts';
import { DeviceAgentError } from './errors.ts';

/** What every handler gets beside its input. */
export interface HandlerContext {
  /** Fires when nobody waits for the handler any more: its time is up, the agent stops, or the connection has ended. */
  readonly signal: AbortSignal;
}

/** How one call of a handler is bounded. */
export interface HandlerCallOptions {
  /** Which handler, for the error's text. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Calls a handler and waits no longer than it may take: one that ignores its signal goes on by itself, and its result is
 * not used.
 *
 * @throws {DeviceAgentError} ERR_AGENT_HANDLER_TIMEOUT
 * @throws whatever the handler throws, and the signal's reason
 */
export async function callHandler<T>(
  handler: (context: HandlerContext) => T | Promise<T>,
  { what, timeoutMs, clock, signal }: HandlerCallOptions,
): Promise<T> {
  signal.throwIfAborted();
  const given = new AbortController();
  const returned = new AbortController();
  const stop = (): void => given.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const cut = new Promise<never>((_, reject) => {
    given.signal.addEventListener('abort', () => reject(given.signal.reason as Error), { once: true });
  });
  clock.delay(timeoutMs, returned.signal).then(
    () => given.abort(timedOut(what, timeoutMs)),
    () => undefined,
  );
  try {
    return await Promise.race([cut, (async () => handler({ signal: given.signal }))()]);
  } finally {
    returned.abort();
    signal.removeEventListener('abort', stop);
  }
}

function timedOut(what: string, timeoutMs: number): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_HANDLER_TIMEOUT', `${what} took longer than ${timeoutMs / 1000} s.`, {
    advice: 'Make it faster, or allow it more time.',
  });
}
