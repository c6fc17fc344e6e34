import type { Clock } from '../clock.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import { closed, connected, retrying, type ConnectionState } from './connection-status.ts';
import type { Destination } from './fleet.ts';
import type { FoundHub } from './hub-finder.ts';
import { failureKindOf } from './next-step.ts';
import { PhaseKeeper, type TransitionEvent } from './phase.ts';
import type { Decision, NextTry, Reconnection } from './reconnection.ts';

/** What the loop drives; everything that touches disk or network is in here. */
export interface ConnectionLoopOptions {
  readonly clock: Clock;
  /** Says what comes next. */
  readonly reconnection: Reconnection;
  /** Aborted by `stop`. */
  readonly signal: AbortSignal;
  readonly canProvision: boolean;
  /** The hub that DPS has named before, or that was given. */
  readonly keptHub: () => FoundHub | undefined;
  /** Asks DPS. */
  readonly register: (reason: string) => Promise<FoundHub>;
  /** Resolves when connected; `lost` resolves with the error that ends the connection. */
  readonly connect: (hub: FoundHub) => Promise<{ readonly lost: Promise<DeviceAgentError> }>;
  /** Ends the connection there is. */
  readonly disconnect: () => void;
  readonly onTransition: (event: TransitionEvent) => void;
  readonly onState: (state: ConnectionState, error?: DeviceAgentError) => void;
  /** Sees every failure before it is decided what comes next. */
  readonly onFailure: (error: DeviceAgentError) => void;
  readonly onRetry: (next: NextTry, error: DeviceAgentError) => void;
}

/** Where the next try goes, and why. */
interface Course {
  readonly to: Destination;
  readonly reason: string;
}

/** Connects, and connects again, until it is stopped or has its answer. */
export class ConnectionLoop {
  readonly #options: ConnectionLoopOptions;
  readonly #phase: PhaseKeeper;
  /** Where somebody wants the next try to go, whatever the rules would say. */
  #redirection: Course | undefined;
  #wake = new AbortController();

  constructor(options: ConnectionLoopOptions) {
    this.#options = options;
    this.#phase = new PhaseKeeper(options.onTransition);
  }

  /** Resolves when it was stopped (undefined), or is refused for good (the error). */
  async run(): Promise<DeviceAgentError | undefined> {
    const { signal, reconnection } = this.#options;
    let course: Course = { to: 'hub', reason: 'no assignment is kept' };
    this.#phase.enter('waiting', 'start');
    await this.#wait(reconnection.startDelayMs());
    for (;;) {
      const error = await this.#oneConnection(course);
      if (signal.aborted) return this.#end(closed, undefined);
      const redirection = this.#newCourse();
      if (redirection) {
        course = redirection;
        this.#phase.enter('waiting', course.reason);
        this.#options.onState(retrying);
        continue;
      }
      const decision = this.#decide(error);
      if (decision.to === 'nowhere') return this.#end(decision.state, lastError(decision, error, reconnection.attempt));
      this.#phase.enter('waiting', error.message);
      this.#options.onState(decision.state, error);
      this.#options.onRetry(decision, error);
      await this.#wait(decision.afterMs);
      course = this.#newCourse() ?? { to: decision.to, reason: `${decision.why}: ${error.message}` };
    }
  }

  /** Goes there now: ends the connection or the waiting. */
  redirect(to: Destination, reason: string): void {
    this.#redirection = { to, reason };
    this.#wake.abort();
    this.#options.disconnect();
  }

  #decide(error: DeviceAgentError): Decision {
    const { onFailure, reconnection, keptHub, clock } = this.#options;
    onFailure(error);
    return reconnection.failed({
      kind: failureKindOf(error),
      retryAfterMs: error.retryAfterMs,
      hasHub: keptHub() !== undefined,
      nowMs: clock.now().getTime(),
    });
  }

  async #oneConnection(course: Course): Promise<DeviceAgentError> {
    const { signal, canProvision, keptHub, register, connect, reconnection, clock, onState } = this.#options;
    this.#redirection = undefined;
    try {
      signal.throwIfAborted();
      let hub = keptHub();
      if (!hub || (course.to === 'dps' && canProvision)) {
        this.#phase.enter('registering', course.reason);
        hub = await register(course.reason);
      }
      this.#phase.enter('connecting', hub.isKept ? 'the hub is known' : 'DPS has named the hub');
      const { lost } = await connect(hub);
      reconnection.connected(clock.now().getTime());
      this.#phase.enter('connected', `${hub.hostName} has accepted ${hub.deviceId}`);
      onState(connected);
      if (this.#newCourse()) this.#options.disconnect();
      return await lost;
    } catch (thrown) {
      if (thrown instanceof DeviceAgentError) return thrown;
      return new DeviceAgentError('ERR_AGENT_STATE', `The agent failed: ${textOf(thrown)}.`, {
        cause: thrown,
        advice: 'It goes on by itself; if it lasts, look at the disk of this device.',
      });
    }
  }

  /** It may come at any moment. */
  #newCourse(): Course | undefined {
    return this.#redirection;
  }

  /** A stop or a redirection while waiting is seen by what comes after. */
  async #wait(delayMs: number): Promise<void> {
    const { clock, signal } = this.#options;
    if (delayMs <= 0) return;
    this.#wake = new AbortController();
    await clock.delay(delayMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
  }

  #end(state: ConnectionState, error: DeviceAgentError | undefined): DeviceAgentError | undefined {
    this.#phase.enter('stopped', error?.message ?? 'stop');
    this.#options.onState(state, error);
    return error;
  }
}

function lastError(
  { state }: Extract<Decision, { to: 'nowhere' }>,
  error: DeviceAgentError,
  attempts: number,
): DeviceAgentError {
  if (state.reason !== 'RetryExpired') return error;
  return new DeviceAgentError(
    'ERR_AGENT_RETRY_EXPIRED',
    `Gave up after ${attempts} ${attempts === 1 ? 'try' : 'tries'}, as the retry policy says. The last error: ${error.message}`,
    { cause: error, advice: 'Start it again to go on.' },
  );
}
