import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError, stopped } from '../errors.ts';
import { checkValidity } from '../identity/device-identity.ts';
import { prepareStateFolder } from '../state/state-store.ts';
import type { TelemetryMessage } from '../telemetry/telemetry-message.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import type { AgentEvent, DeviceAgentOptions, StopReport } from './agent-options.ts';
import { AgentRun, type AgentRunOptions } from './agent-run.ts';
import { disconnected, type ConnectionState } from './connection-status.ts';
import { secureIdentity } from './dialer.ts';
import { registerEarly, type EarlyRegistration } from './early-registration.ts';
import type { ReprovisionRequest } from './reprovision-command.ts';

/** Nothing is taken from the application before the state folder is open: milliseconds for which it may wait. */
const longestHoldMs = 10;

/** One device's life after the factory: it finds its hub, keeps a connection to it, and loses nothing on the way. */
export class DeviceAgent {
  readonly #options: DeviceAgentOptions;
  readonly #clock: Clock;
  #run: AgentRun | undefined;
  /** Opens the state folder and runs; set while `start` has not done so yet. */
  #begin: (() => void) | undefined;
  #begun: Promise<void> = Promise.resolve();
  #state: ConnectionState = disconnected;
  #undeliveredMessages = 0;
  #finished: Promise<DeviceAgentError | undefined> = Promise.resolve(undefined);

  constructor(options: DeviceAgentOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Where the connection stands; each change also comes as an event of type `status`. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** Resolves when the agent has ended: with the error that ended it, or undefined after `stop`. It never rejects. */
  get finished(): Promise<DeviceAgentError | undefined> {
    return this.#finished;
  }

  /**
   * Opens the state folder and connects; resolves with the first connection. From then on the agent reconnects by itself.
   * With `onRefusal: 'retry-slowly'` (the default) it goes on trying before that too, however long it takes.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE, ERR_AGENT_TOKEN, ERR_AGENT_RETRY_EXPIRED, ERR_AGENT_STOPPED; with
   *   `onRefusal: 'end'` ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID, ERR_AGENT_DPS_REFUSED,
   *   ERR_AGENT_DPS_DISABLED and ERR_AGENT_HUB_REFUSED too
   */
  async start(): Promise<void> {
    if (this.#run ?? this.#begin) throw new TypeError('This agent runs already.');
    const { identity, onRefusal } = this.#options;
    if (onRefusal === 'end') checkValidity(identity, this.#clock.now());
    const stopping = new AbortController();
    const secure = secureIdentity(identity, this.#options.trustedRootsPem);
    const early = registerEarly(this.#options, secure, stopping.signal);
    await new Promise<void>((resolve, reject) => {
      const fail: (reason: unknown) => void = reject;
      this.#begin = () => {
        this.#begin = undefined;
        try {
          this.#run = this.#createRun({ secure, early, stopping, onConnected: resolve });
        } catch (error) {
          fail(error);
          throw error;
        }
        this.#finished = this.#untilEnd(this.#run).then((error) => {
          reject(error ?? stopped(`The agent of ${identity.registrationId}`));
          return error;
        });
        // Only a fault of ours: whoever started it has to hear of it.
        this.#finished.catch(fail);
      };
      this.#begun = this.#beginSoon(early).catch(fail);
    });
  }

  /**
   * Puts a telemetry message on disk and resolves with its message ID; it is delivered at least once, in order.
   *
   * @throws {DeviceAgentError} ERR_AGENT_MESSAGE_TOO_LARGE, ERR_AGENT_MESSAGE_INVALID, ERR_AGENT_OUTBOX_FULL,
   *   ERR_AGENT_STATE (disk full), ERR_AGENT_STOPPED
   */
  async send(message: TelemetryMessage): Promise<string> {
    await this.#begun;
    return this.#need().work.add(message);
  }

  /** Resolves when no telemetry waits for the hub's acknowledgement. */
  async flush(): Promise<void> {
    await this.#need().work.sender.empty();
  }

  /**
   * Writes reported properties (a merge patch; null removes): on disk when it returns, at the hub as soon as there is one.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE, ERR_AGENT_TWIN, ERR_AGENT_STOPPED
   */
  report(properties: JsonObject): void {
    this.#need().work.report(properties);
  }

  /**
   * Asks DPS again, now; or another DPS instance, and then the device is that one's as soon as it has been taken there.
   * Until then, and if it is refused there (event `move-refused`), it stays with the hub that it has.
   *
   * @throws {DeviceAgentError} ERR_AGENT_COMMAND: not an ID scope, or there is no DPS to ask; ERR_AGENT_STATE, ERR_AGENT_STOPPED
   */
  reprovision(request: ReprovisionRequest = {}, reason = 'the application asked for it'): void {
    this.#need().reprovision(request, reason);
  }

  /**
   * Delivers what it can within the grace time, disconnects, and closes the state folder, whatever the connection does
   * meanwhile. Called again, or after the agent has ended by itself, it says how many messages were left then.
   *
   * @param graceMs - milliseconds for telemetry still on disk, where there is a connection; default 5,000. The goodbye takes a
   *   second more at most, on a connection that has stalled
   */
  async stop(graceMs = 5_000): Promise<StopReport> {
    await this.#begun;
    await this.#run?.end(graceMs);
    await this.#finished;
    return { undeliveredMessages: this.#undeliveredMessages };
  }

  /** At once; or when DPS has been asked, which takes a few round trips: on a slow network it doesn't wait for those. */
  async #beginSoon(early: EarlyRegistration | undefined): Promise<void> {
    if (early) {
      await Promise.race([early.asked, delay(longestHoldMs)]);
      await prepareStateFolder(this.#options.stateFolder);
    }
    this.#begin?.();
  }

  #createRun(
    made: Pick<AgentRunOptions, 'secure' | 'early' | 'stopping'> & { readonly onConnected: () => void },
  ): AgentRun {
    const { onConnected, ...parts } = made;
    return new AgentRun({
      ...parts,
      agent: this.#options,
      clock: this.#clock,
      random: this.#options.random ?? Math.random,
      onEvent: (event) => this.#tell(event),
      onState: (state) => {
        this.#state = state;
        if (state.status === 'Connected') onConnected();
      },
    });
  }

  async #untilEnd(run: AgentRun): Promise<DeviceAgentError | undefined> {
    try {
      return await run.run();
    } finally {
      this.#run = undefined;
      this.#undeliveredMessages = run.work.outbox.count;
    }
  }

  #need(): AgentRun {
    this.#begin?.();
    if (!this.#run || this.#run.isEnding) {
      throw new DeviceAgentError(
        'ERR_AGENT_STOPPED',
        `The agent of ${this.#options.identity.registrationId} is not running.`,
        { advice: 'Start it first.' },
      );
    }
    return this.#run;
  }

  /** A listener that throws must not change what becomes of a message or a connection. */
  #tell(event: AgentEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'DeviceAgentListener');
    }
  }
}
