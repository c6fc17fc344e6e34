import type { Clock } from './clock.ts';
import { closed, connected, type ConnectionState } from './connection-status.ts';
import { DeviceAgentError, textOf } from './errors.ts';
import type { Destination } from './fleet.ts';
import { failureKindOf } from './next-step.ts';
import type { HubAddress } from './protocol/hub-session.ts';
import type { Decision, NextTry, Reconnection } from './reconnection.ts';

/** A hub to connect to, and how it was found. */
export interface FoundHub extends HubAddress {
  /** False where DPS has just been asked. */
  readonly isKept: boolean;
}

/** What the loop drives; everything that touches disk or network is in here. */
export interface ConnectionLoop {
  readonly clock: Clock;
  /** Says what comes next. */
  readonly reconnection: Reconnection;
  /** Aborted by `stop`. */
  readonly signal: AbortSignal;
  /** The kept hub, or where there is none, or DPS is wanted, its answer to a new registration, made for the reason given. */
  readonly findHub: (to: Destination, reason: string) => Promise<FoundHub>;
  readonly hasHub: () => boolean;
  /** Resolves when connected; `lost` resolves with the error that ends the connection. */
  readonly connect: (hub: FoundHub) => Promise<{ readonly lost: Promise<DeviceAgentError> }>;
  readonly onState: (state: ConnectionState, error?: DeviceAgentError) => void;
  readonly onRetry: (next: NextTry, error: DeviceAgentError) => void;
}

/** Connects, and connects again, until stopped (undefined) or refused for good (the error). */
export async function keepConnected(loop: ConnectionLoop): Promise<DeviceAgentError | undefined> {
  const { clock, reconnection, signal } = loop;
  let to: Destination = 'hub';
  let reason = 'no assignment is kept';
  await wait(loop, reconnection.startDelayMs());
  for (;;) {
    const error = await oneConnection(loop, to, reason);
    if (signal.aborted) {
      loop.onState(closed);
      return undefined;
    }
    const decision = reconnection.failed({
      kind: failureKindOf(error),
      retryAfterMs: error.retryAfterMs,
      hasHub: loop.hasHub(),
      nowMs: clock.now().getTime(),
    });
    if (decision.to === 'nowhere') return end(loop, decision, error);
    loop.onState(decision.state, error);
    loop.onRetry(decision, error);
    ({ to } = decision);
    reason = `${decision.why}: ${error.message}`;
    await wait(loop, decision.afterMs);
  }
}

/** A stop while waiting is seen by the next try. */
async function wait({ clock, signal }: ConnectionLoop, delayMs: number): Promise<void> {
  if (delayMs > 0) await clock.delay(delayMs, signal).catch(() => undefined);
}

async function oneConnection(loop: ConnectionLoop, to: Destination, reason: string): Promise<DeviceAgentError> {
  try {
    loop.signal.throwIfAborted();
    const { lost } = await loop.connect(await loop.findHub(to, reason));
    loop.reconnection.connected(loop.clock.now().getTime());
    loop.onState(connected);
    return await lost;
  } catch (thrown) {
    if (thrown instanceof DeviceAgentError) return thrown;
    return new DeviceAgentError('ERR_AGENT_STATE', `The agent failed: ${textOf(thrown)}.`, { cause: thrown });
  }
}

function end(
  loop: ConnectionLoop,
  { state }: Extract<Decision, { to: 'nowhere' }>,
  error: DeviceAgentError,
): DeviceAgentError {
  const last = state.reason === 'RetryExpired' ? expired(error, loop.reconnection.attempt) : error;
  loop.onState(state, last);
  return last;
}

function expired(error: DeviceAgentError, attempts: number): DeviceAgentError {
  return new DeviceAgentError(
    'ERR_AGENT_RETRY_EXPIRED',
    `Gave up after ${attempts} ${attempts === 1 ? 'try' : 'tries'}, as the retry policy says. The last error: ${error.message}`,
    { cause: error },
  );
}
