import type { Duplex } from 'node:stream';
import { systemClock, type Clock } from './clock.ts';
import { keepConnected, type FoundHub } from './connection-loop.ts';
import { disconnected, type ConnectionState } from './connection-status.ts';
import type { DesiredDefinition } from './twin/define-twin.ts';
import type { DesiredHandler } from './twin/desired-properties.ts';
import { checkValidity, type DeviceIdentity } from './identity/device-identity.ts';
import { createDeviceSecureContext } from './identity/secure-context.ts';
import { DeviceWork, type WorkEvent } from './device-work.ts';
import { DeviceAgentError } from './errors.ts';
import { openStream, type Transport } from './network/open-stream.ts';
import { HubSession } from './protocol/hub-session.ts';
import type { MessageHandler, MessageHandling } from './messages/inbox.ts';
import type { MethodDefinitions } from './methods/methods.ts';
import type { JsonObject } from './twin/merge-patch.ts';
import type { OutboxOptions } from './telemetry/outbox-options.ts';
import type { TelemetryMessage } from './telemetry/telemetry-message.ts';
import { registerDevice, type Assignment, type ProvisioningService } from './protocol/provision.ts';
import { exponentialBackoff, type RetryPolicy } from './retry-policy.ts';
import { openStateStore, type StateStore } from './state/state-store.ts';

/** What the agent tells its application as it happens. */
export type AgentEvent =
  | WorkEvent
  | { readonly type: 'status'; readonly state: ConnectionState; readonly error?: DeviceAgentError }
  | { readonly type: 'provisioning'; readonly reason: string }
  | { readonly type: 'provisioned'; readonly assignment: Assignment }
  | ({ readonly type: 'connecting' } & FoundHub)
  | { readonly type: 'retry'; readonly attempt: number; readonly delayMs: number; readonly error: DeviceAgentError };

export interface DeviceAgentOptions {
  readonly identity: DeviceIdentity;
  /** Where the device's hub is found: by asking DPS (and keeping the answer), or a hub that is known already. */
  readonly connectTo: ProvisioningService | { readonly hostName: string; readonly deviceId: string };
  /** Folder for `agent.db`, which all agents of this process may share; made with mode 0700 where missing. */
  readonly stateFolder: string;
  /** Limits and shape of the telemetry on disk; docs/outbox.md. */
  readonly outbox?: OutboxOptions;
  /** Default `mqtt`. */
  readonly transport?: Transport;
  /** PEM roots trusted beside Node's own. */
  readonly trustedRootsPem?: string;
  /** Default: exponential backoff with full jitter, for ever. */
  readonly retryPolicy?: RetryPolicy;
  /** Handles a cloud-to-device message. One whose handler fails is handed over again on the next connection. */
  readonly onMessage?: MessageHandler;
  /** Time-out and attempts of `onMessage`. */
  readonly messages?: MessageHandling;
  /** Direct methods by name; an exception answers the caller with status 500. */
  readonly methods?: MethodDefinitions;
  /** Default: changes are followed and not acknowledged. `defineTwin` makes one with types and rules. */
  readonly onDesired?: DesiredHandler | DesiredDefinition;
  readonly onEvent?: (event: AgentEvent) => void;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** What was still undelivered when an agent stopped; it is on disk, and goes out with the next start. */
export interface StopReport {
  readonly undeliveredMessages: number;
}

const assignmentName = 'assignment';

/** Microsoft's Node client's; the hub waits 1.5 times as long. */
const keepAliveSeconds = 180;

/** What exists only while the agent runs. */
interface Running {
  readonly store: StateStore;
  readonly work: DeviceWork;
  /** Opens every connection of this agent, to DPS and hubs. */
  readonly openStream: (host: string, signal: AbortSignal | undefined) => Promise<Duplex>;
  readonly stopping: AbortController;
  session?: HubSession | undefined;
  /** Set by `stop`: nothing new is taken while the rest is delivered. */
  isEnding?: boolean;
}

/** One device's life after the factory: it finds its hub, keeps a connection to it, and loses nothing on the way. */
export class DeviceAgent {
  readonly #options: DeviceAgentOptions;
  readonly #clock: Clock;
  #running: Running | undefined;
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

  /** Resolves when the agent has ended: with the error that ended it, or undefined after `stop`. */
  get finished(): Promise<DeviceAgentError | undefined> {
    return this.#finished;
  }

  /**
   * Opens the state folder and connects; resolves with the first connection. From then on the agent reconnects by itself.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE, ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID,
   *   ERR_AGENT_DPS_REFUSED, ERR_AGENT_DPS_DISABLED, ERR_AGENT_HUB_REFUSED, ERR_AGENT_RETRY_EXPIRED, ERR_AGENT_STOPPED
   */
  async start(): Promise<void> {
    if (this.#running) throw new TypeError('This agent runs already.');
    const { identity } = this.#options;
    checkValidity(identity, this.#clock.now());
    const running = this.#open();
    this.#running = running;
    await new Promise<void>((resolve, reject) => {
      this.#finished = this.#run(running, resolve).then(async (error) => {
        await this.#close(running);
        reject(
          error ?? new DeviceAgentError('ERR_AGENT_STOPPED', `The agent of ${identity.registrationId} was stopped.`),
        );
        return error;
      });
    });
  }

  /**
   * Puts a telemetry message on disk and resolves with its message ID; it is delivered at least once, in order.
   *
   * @throws {DeviceAgentError} ERR_AGENT_MESSAGE_TOO_LARGE, ERR_AGENT_MESSAGE_INVALID, ERR_AGENT_OUTBOX_FULL,
   *   ERR_AGENT_STATE (disk full), ERR_AGENT_STOPPED
   */
  async send(message: TelemetryMessage): Promise<string> {
    return this.#need().work.add(message);
  }

  /** Resolves when no telemetry waits for the hub's acknowledgement. */
  async flush(): Promise<void> {
    await this.#need().work.sender.empty();
  }

  /**
   * Writes reported properties (a merge patch; null removes): on disk when it returns, at the hub as soon as there is one.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE, ERR_AGENT_STOPPED
   */
  report(properties: JsonObject): void {
    this.#need().work.report(properties);
  }

  /**
   * Delivers what it can within the grace time, disconnects, and closes the state folder. Called again, or after the agent
   * has ended by itself, it says how many messages were left then.
   *
   * @param graceMs - milliseconds for telemetry still on disk while there is a connection; default 5,000
   */
  async stop(graceMs = 5_000): Promise<StopReport> {
    const running = this.#running;
    if (running && running.isEnding !== true) {
      running.isEnding = true;
      const { session, stopping, work } = running;
      if (session) {
        const timeout = new AbortController();
        await Promise.race([work.sender.empty(), this.#clock.delay(graceMs, timeout.signal)]);
        timeout.abort();
      }
      stopping.abort();
      await session?.close();
    }
    await this.#finished;
    return { undeliveredMessages: this.#undeliveredMessages };
  }

  #open(): Running {
    const {
      identity,
      trustedRootsPem,
      transport = 'mqtt',
      stateFolder,
      onMessage = () => undefined,
      messages,
      methods = {},
      onDesired = () => undefined,
      outbox,
    } = this.#options;
    const store = openStateStore(stateFolder, identity.registrationId);
    const work = new DeviceWork(store, {
      onMessage,
      messages,
      methods,
      onDesired,
      onEvent: (event) => this.#tell(event),
      clock: this.#clock,
      random: Math.random,
      outbox,
    });
    const secureContext = createDeviceSecureContext(identity, trustedRootsPem);
    return {
      store,
      work,
      openStream: (host, signal) => openStream({ host, transport, secureContext, ...(signal && { signal }) }),
      stopping: new AbortController(),
    };
  }

  async #close({ store, work }: Running): Promise<void> {
    this.#running = undefined;
    await work.end();
    this.#undeliveredMessages = work.outbox.count;
    store.close();
  }

  #run(running: Running, onFirstConnection: () => void): Promise<DeviceAgentError | undefined> {
    return keepConnected({
      clock: this.#clock,
      retryPolicy: this.#options.retryPolicy ?? exponentialBackoff(),
      signal: running.stopping.signal,
      canProvision: 'idScope' in this.#options.connectTo,
      findHub: (reason) => this.#findHub(running, reason),
      forgetHub: () => running.store.remove(assignmentName),
      connect: (hub) => this.#connect(running, hub),
      onState: (state, error) => {
        this.#state = state;
        this.#tell({ type: 'status', state, ...(error && { error }) });
        if (state.status === 'Connected') onFirstConnection();
      },
      onRetry: (attempt, delayMs, error) => this.#tell({ type: 'retry', attempt, delayMs, error }),
    });
  }

  async #findHub({ store, openStream, stopping }: Running, reason: string): Promise<FoundHub> {
    const { connectTo, identity } = this.#options;
    if ('hostName' in connectTo) return { ...connectTo, isKept: true };
    const kept = store.get(assignmentName) as (Assignment & { readonly idScope: string }) | undefined;
    // A device whose configuration names another DPS instance must not go on to the old one's hub.
    if (kept?.idScope === connectTo.idScope) {
      return { hostName: kept.assignedHub, deviceId: kept.deviceId, isKept: true };
    }
    this.#tell({ type: 'provisioning', reason });
    const assignment = await registerDevice({
      identity,
      provisioning: connectTo,
      openStream,
      signal: stopping.signal,
      clock: this.#clock,
    });
    store.put(assignmentName, { ...assignment, idScope: connectTo.idScope });
    this.#tell({ type: 'provisioned', assignment });
    return { hostName: assignment.assignedHub, deviceId: assignment.deviceId, isKept: false };
  }

  async #connect(running: Running, hub: FoundHub): Promise<{ lost: Promise<DeviceAgentError> }> {
    const { identity } = this.#options;
    checkValidity(identity, this.#clock.now());
    this.#tell({ type: 'connecting', ...hub });
    const { work, openStream, stopping } = running;
    const session = await HubSession.open(
      {
        identity,
        address: hub,
        openStream,
        clock: this.#clock,
        keepAliveSeconds,
        onMessage: (arrival) => work.receive(arrival),
        onMethod: (name, body, signal) => work.methods.answer(name, body, signal),
        onDesiredPatch: (patch) => work.takeDesired(patch),
      },
      stopping.signal,
    );
    running.session = session;
    const lost = session.ended.then((error) => {
      running.session = undefined;
      work.detach();
      return error;
    });
    work.attach(session);
    return { lost };
  }

  #need(): Running {
    if (!this.#running || this.#running.isEnding === true) {
      throw new DeviceAgentError(
        'ERR_AGENT_STOPPED',
        `The agent of ${this.#options.identity.registrationId} is not running: start it first.`,
      );
    }
    return this.#running;
  }

  #tell(event: AgentEvent): void {
    this.#options.onEvent?.(event);
  }
}
