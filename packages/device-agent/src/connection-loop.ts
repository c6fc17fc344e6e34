import type { Clock } from './clock.ts';
import { closed, connected, retryExpired, retrying, type ConnectionState } from './connection-status.ts';
import { DeviceAgentError, textOf } from './errors.ts';
import { nextStep } from './next-step.ts';
import type { HubAddress } from './protocol/hub-session.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** A hub to connect to, and how it was found. */
export interface FoundHub extends HubAddress {
  /** False where DPS has just been asked. */
  readonly isKept: boolean;
}

/** What the loop drives; everything that touches disk or network is in here. */
export interface ConnectionLoop {
  readonly clock: Clock;
  readonly retryPolicy: RetryPolicy;
  /** Aborted by `stop`. */
  readonly signal: AbortSignal;
  /** Whether there is a DPS to go back to. */
  readonly canProvision: boolean;
  /** The kept assignment, or DPS's answer to a new registration, made for the reason given. */
  readonly findHub: (reason: string) => Promise<FoundHub>;
  readonly forgetHub: () => void;
  /** Resolves when connected; `lost` resolves with the error that ends the connection. */
  readonly connect: (hub: FoundHub) => Promise<{ readonly lost: Promise<DeviceAgentError> }>;
  readonly onState: (state: ConnectionState, error?: DeviceAgentError) => void;
  readonly onRetry: (attempt: number, delayMs: number, error: DeviceAgentError) => void;
}

interface Counters {
  attempt: number;
  hubRefusals: number;
  reason: string;
}

/** Connects, and connects again, until stopped (undefined) or refused for good (the error). */
export async function keepConnected(loop: ConnectionLoop): Promise<DeviceAgentError | undefined> {
  const counters: Counters = { attempt: 0, hubRefusals: 0, reason: 'no assignment is kept' };
  for (;;) {
    const error = await oneConnection(loop, counters);
    if (loop.signal.aborted) {
      loop.onState(closed);
      return undefined;
    }
    const end = await afterFailure(loop, counters, error);
    if (end) {
      loop.onState(end.state, end.error);
      return end.error;
    }
  }
}

async function oneConnection(loop: ConnectionLoop, counters: Counters): Promise<DeviceAgentError> {
  try {
    const { lost } = await loop.connect(await loop.findHub(counters.reason));
    counters.attempt = counters.hubRefusals = 0;
    loop.onState(connected);
    return await lost;
  } catch (thrown) {
    if (thrown instanceof DeviceAgentError) return thrown;
    return new DeviceAgentError('ERR_AGENT_STATE', `The agent failed: ${textOf(thrown)}.`, { cause: thrown });
  }
}

/** Waits until the next try; or says how it ends. A stop while waiting is seen by the next try. */
async function afterFailure(
  loop: ConnectionLoop,
  counters: Counters,
  error: DeviceAgentError,
): Promise<{ state: ConnectionState; error: DeviceAgentError } | undefined> {
  const isRefusal = error.code === 'ERR_AGENT_HUB_REFUSED';
  counters.attempt += 1;
  if (isRefusal) counters.hubRefusals += 1;
  const step = nextStep({ error, ...counters, canProvision: loop.canProvision });
  if (step.to === 'end') return { state: step.state, error };
  loop.onState(retrying, error);
  if (step.to === 'dps') {
    loop.forgetHub();
    counters.reason = error.message;
  }
  if (step.after === 'now') return undefined;
  const delayMs = loop.retryPolicy.nextDelayMs(counters.attempt, isRefusal ? 'throttled' : 'transient');
  if (delayMs === undefined) return { state: retryExpired, error: expired(error, counters.attempt) };
  loop.onRetry(counters.attempt, delayMs, error);
  await loop.clock.delay(delayMs, loop.signal).catch(() => undefined);
  return undefined;
}

function expired(error: DeviceAgentError, attempts: number): DeviceAgentError {
  return new DeviceAgentError(
    'ERR_AGENT_RETRY_EXPIRED',
    `Gave up after ${attempts} ${attempts === 1 ? 'try' : 'tries'}, as the retry policy says. The last error: ${error.message}`,
    { cause: error },
  );
}
