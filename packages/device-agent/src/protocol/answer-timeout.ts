import { ConnectionError } from '../network/connection-error.ts';

/** An answer that takes longer than this, in milliseconds, won't come any more. */
export const answerTimeoutMs = 30_000;

export function timedOut(what: string): ConnectionError {
  return new ConnectionError('timeout', {
    detail: `no ${what} within ${answerTimeoutMs / 1000} s`,
    advice: 'The connection stands and nothing comes back: look for a NAT or firewall that forgets idle connections.',
  });
}
