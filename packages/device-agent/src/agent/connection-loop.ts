import { pause, type Clock } from '../clock.ts';
import { asAgentError, DeviceAgentError } from '../errors.ts';
import { closed, connected, disconnected, retrying, type ConnectionState } from './connection-status.ts';
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
  /** Another DPS is to be asked, and hasn't answered yet: no hub is gone to before it has, or is given up. */
  readonly isMoving: () => boolean;
  /** Why DPS is to be asked before the kept hub is gone to, where an earlier life was told to and didn't come to it. */
  readonly order: () => string | undefined;
  /** Asks DPS. */
  readonly register: (reason: string) => Promise<FoundHub>;
  /** Resolves when connected; `lost` resolves with the error that ends the connection. */
  readonly connect: (hub: FoundHub) => Promise<{ readonly lost: Promise<DeviceAgentError> }>;
  /** Ends the connection that there is, if there is one: `lost` resolves when that is done, and soon. */
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

  /** Resolves when it was stopped (undefined), is refused for good, or can't go on (the error). */
  async run(): Promise<DeviceAgentError | undefined> {
    const { signal, disconnect } = this.#options;
    signal.addEventListener('abort', disconnect, { once: true });
    try {
      return await this.#connectForEver();
    } catch (thrown) {
      // A fault of the retry policy's, or of ours: whatever is unforeseen must be seen.
      disconnect();
      return this.#end(disconnected, asAgentError(thrown, 'Start it again to go on, and report this.'));
    }
  }

  async #connectForEver(): Promise<DeviceAgentError | undefined> {
    const { signal, reconnection } = this.#options;
    this.#phase.enter('waiting', 'start');
    await this.#wait(reconnection.startDelayMs());
    let course = this.#takeRedirection() ?? this.#firstCourse();
    for (;;) {
      const error = await this.#oneConnection(course);
      if (signal.aborted) return this.#end(closed, undefined);
      if (this.#redirection) {
        this.#phase.enter('waiting', this.#redirection.reason);
        this.#options.onState(retrying);
      } else {
        const decision = this.#decide(error);
        if (decision.to === 'nowhere') {
          return this.#end(decision.state, lastError(decision, error, reconnection.attempt));
        }
        course = { to: decision.to, reason: `${decision.why}: ${error.message}` };
        this.#phase.enter('waiting', error.message, error);
        this.#options.onState(decision.state, error);
        this.#options.onRetry(decision, error);
        await this.#wait(decision.afterMs);
      }
      course = this.#takeRedirection() ?? course;
    }
  }

  /** Goes there now: ends the connection or the waiting. */
  redirect(to: Destination, reason: string): void {
    this.#redirection = { to, reason };
    this.#wake.abort();
    this.#options.disconnect();
  }

  #decide(error: DeviceAgentError): Decision {
    const { onFailure, reconnection, keptHub, isMoving, clock } = this.#options;
    onFailure(error);
    return reconnection.failed({
      kind: failureKindOf(error),
      retryAfterMs: error.retryAfterMs,
      hasHub: keptHub() !== undefined && !isMoving(),
      nowMs: clock.now().getTime(),
    });
  }

  async #oneConnection(course: Course): Promise<DeviceAgentError> {
    const { signal, canProvision, keptHub, register, connect, disconnect, reconnection, clock, onState } =
      this.#options;
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
      if (this.#redirection !== undefined || signal.aborted) disconnect();
      return await lost;
    } catch (thrown) {
      disconnect();
      return asAgentError(thrown, 'It goes on by itself; if it lasts, look at the disk of this device.');
    }
  }

  #firstCourse(): Course {
    const order = this.#options.order();
    return order === undefined ? { to: 'hub', reason: 'no assignment is kept' } : { to: 'dps', reason: order };
  }

  /** It may come at any moment, and waits until it is taken. */
  #takeRedirection(): Course | undefined {
    const redirection = this.#redirection;
    this.#redirection = undefined;
    return redirection;
  }

  /** A stop or a redirection while waiting is seen by what comes after. */
  async #wait(delayMs: number): Promise<void> {
    const { clock, signal } = this.#options;
    if (delayMs <= 0 || this.#redirection) return;
    this.#wake = new AbortController();
    await pause(clock, delayMs, [signal, this.#wake.signal]);
  }

  #end(state: ConnectionState, error: DeviceAgentError | undefined): DeviceAgentError | undefined {
    this.#phase.enter('stopped', error?.message ?? 'stop', error);
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
