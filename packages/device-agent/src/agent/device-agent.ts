import { systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import { openStream } from '../network/open-stream.ts';
import { firstTransport } from '../network/transport-choice.ts';
import { HubSession } from '../protocol/hub-session.ts';
import { defaultEndpoint, registerDevice, type Assignment, type ProvisioningService } from '../protocol/provision.ts';
import { hasState, openStateStore, type StateStore } from '../state/state-store.ts';
import type { TelemetryMessage } from '../telemetry/telemetry-message.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import type { AgentEvent, DeviceAgentOptions, StopReport } from './agent-options.ts';
import { ConnectionLoop } from './connection-loop.ts';
import { disconnected, type ConnectionState } from './connection-status.ts';
import { onlyCredential, openCredentials, type CredentialUse } from './credential-use.ts';
import { DeviceWork } from './device-work.ts';
import { Dialer, secureIdentity, type SecureIdentity } from './dialer.ts';
import { EarlyStream } from './early-stream.ts';
import { HubFinder, type FoundHub } from './hub-finder.ts';
import { Reconnection } from './reconnection.ts';
import {
  readReprovisionRequest,
  withReprovisionMethod,
  withReprovisionProperty,
  type ReprovisionRequest,
} from './reprovision-command.ts';
import { exponentialBackoff } from './retry-policy.ts';

/** Microsoft's Node client's; the hub waits 1.5 times as long. */
const defaultKeepAliveSeconds = 180;

/** What exists only while the agent runs. */
interface Running {
  readonly store: StateStore;
  readonly work: DeviceWork;
  readonly dialer: Dialer;
  readonly finder: HubFinder;
  readonly loop: ConnectionLoop;
  readonly stopping: AbortController;
  credentials: CredentialUse;
  /** The credential of the last try. */
  used: DeviceIdentity;
  session?: HubSession | undefined;
  /** Set by `stop`: nothing new is taken while the rest is delivered. */
  isEnding?: boolean;
}

/** What the state folder's opening gives. */
interface Opened {
  readonly store: StateStore;
  readonly dialer: Dialer;
  readonly stopping: AbortController;
  readonly onFirstConnection: () => void;
}

/** One device's life after the factory: it finds its hub, keeps a connection to it, and loses nothing on the way. */
export class DeviceAgent {
  readonly #options: DeviceAgentOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  #running: Running | undefined;
  /** Opens the state folder and runs; set while `start` has not done so yet. */
  #begin: (() => Running) | undefined;
  #begun: Promise<void> = Promise.resolve();
  #state: ConnectionState = disconnected;
  #undeliveredMessages = 0;
  #finished: Promise<DeviceAgentError | undefined> = Promise.resolve(undefined);

  constructor(options: DeviceAgentOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
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
   * With `onRefusal: 'retry-slowly'` (the default) it goes on trying before that too, however long it takes.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE, ERR_AGENT_TOKEN, ERR_AGENT_RETRY_EXPIRED, ERR_AGENT_STOPPED; with
   *   `onRefusal: 'end'` ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID, ERR_AGENT_DPS_REFUSED,
   *   ERR_AGENT_DPS_DISABLED and ERR_AGENT_HUB_REFUSED too
   */
  async start(): Promise<void> {
    if (this.#running ?? this.#begin) throw new TypeError('This agent runs already.');
    const { identity, onRefusal } = this.#options;
    if (onRefusal === 'end') checkValidity(identity, this.#clock.now());
    await new Promise<void>((resolve, reject) => {
      const begin = this.#prepare(resolve);
      this.#begin = () => {
        this.#begin = undefined;
        const running = begin();
        this.#running = running;
        this.#finished = this.#run(running).then(async (error) => {
          await this.#close(running);
          reject(error ?? stopped(identity));
          return error;
        });
        return running;
      };
      this.#begun = this.#beginSoon().catch(reject);
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
    const { finder, loop } = this.#need();
    const { idScope, endpoint } = readReprovisionRequest(request);
    if (!finder.canProvision) {
      throw new DeviceAgentError(
        'ERR_AGENT_COMMAND',
        `${this.#options.identity.registrationId} was given its hub: there is no DPS to ask.`,
        { advice: 'Start it with an ID scope.' },
      );
    }
    if (idScope !== undefined) finder.moveTo({ idScope, ...(endpoint !== undefined && { endpoint }) });
    // What is being answered goes out first.
    setImmediate(() => loop.redirect('dps', reason));
  }

  /**
   * Delivers what it can within the grace time, disconnects, and closes the state folder. Called again, or after the agent
   * has ended by itself, it says how many messages were left then.
   *
   * @param graceMs - milliseconds for telemetry still on disk while there is a connection; default 5,000
   */
  async stop(graceMs = 5_000): Promise<StopReport> {
    await this.#begun;
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

  /** What can be done before the state folder is open, and the rest as a function. */
  #prepare(onFirstConnection: () => void): () => Running {
    const { identity, stateFolder, transport = 'auto', proxy, trustedRootsPem } = this.#options;
    const stopping = new AbortController();
    const secure = secureIdentity(identity, trustedRootsPem);
    const early = this.#dialEarly(secure, stopping.signal);
    return () => {
      try {
        const store = openStateStore(stateFolder, identity.registrationId);
        const dialer = new Dialer({
          choice: transport,
          proxy,
          trustedRootsPem,
          store,
          clock: this.#clock,
          early,
          secure,
        });
        return this.#assemble({ store, dialer, stopping, onFirstConnection });
      } catch (error) {
        early?.drop();
        throw error;
      }
    };
  }

  /** A device without any state is sure to ask DPS first. */
  #dialEarly({ context: secureContext }: SecureIdentity, signal: AbortSignal): EarlyStream | undefined {
    const { connectTo, stateFolder, fleet, transport = 'auto', proxy } = this.#options;
    if (!('idScope' in connectTo) || (fleet?.startWindowMs ?? 0) > 0 || hasState(stateFolder)) return undefined;
    const host = connectTo.endpoint ?? defaultEndpoint;
    const first = firstTransport(transport, undefined, this.#clock.now());
    return new EarlyStream(
      host,
      openStream({ host, transport: first, secureContext, signal, ...(proxy && { proxy }) }),
    );
  }

  /** At once; or, with a handshake under way, when that has left this machine. */
  async #beginSoon(): Promise<void> {
    if (!hasState(this.#options.stateFolder)) await new Promise((resolve) => setImmediate(resolve));
    this.#begin?.();
  }

  #assemble({ store, dialer, stopping, onFirstConnection }: Opened): Running {
    const { identity, connectTo } = this.#options;
    const finder = new HubFinder({
      store,
      connectTo,
      register: (service) => this.#register(running, service, running.used, stopping.signal),
      onEvent: (event) => this.#tell(event),
    });
    const running: Running = {
      store,
      stopping,
      finder,
      dialer,
      work: this.#createWork(store, () => running.credentials.report()),
      loop: this.#createLoop(() => running, { finder, stopping, onFirstConnection }),
      credentials: onlyCredential(identity),
      used: identity,
    };
    return running;
  }

  #createWork(store: StateStore, ownReported: () => JsonObject): DeviceWork {
    const { reprovision = {}, messages, outbox, onMessage = () => undefined } = this.#options;
    const { method = 'reprovision', desiredProperty = 'reprovision' } = reprovision;
    const { methods = {}, onDesired = () => undefined } = this.#options;
    return new DeviceWork(store, {
      onMessage,
      messages,
      methods: withReprovisionMethod(methods, method, (request, reason) => this.reprovision(request, reason)),
      onDesired: withReprovisionProperty(onDesired, desiredProperty, (value, reason) =>
        this.#obeyOnce(store, value, reason),
      ),
      onEvent: (event) => this.#tell(event),
      clock: this.#clock,
      random: this.#random,
      outbox,
      ownReported,
    });
  }

  /** A twin that DPS makes anew brings the same order again. */
  #obeyOnce(store: StateStore, value: JsonObject, reason: string): void {
    if (JSON.stringify(store.get('reprovision-order')) === JSON.stringify(value)) return;
    this.reprovision(value, reason);
    store.put('reprovision-order', value);
  }

  #createLoop(
    running: () => Running,
    made: { readonly finder: HubFinder; readonly stopping: AbortController; readonly onFirstConnection: () => void },
  ): ConnectionLoop {
    const { fleet = { size: 1 }, onRefusal = 'retry-slowly' } = this.#options;
    const { finder, stopping, onFirstConnection } = made;
    const { canProvision } = finder;
    const policy = this.#options.retryPolicy ?? exponentialBackoff({ fleet, random: this.#random });
    return new ConnectionLoop({
      clock: this.#clock,
      reconnection: new Reconnection({ policy, fleet, onRefusal, canProvision, random: this.#random }),
      signal: stopping.signal,
      canProvision,
      keptHub: () => finder.kept(),
      isMoving: () => finder.isMoving,
      register: (reason) => {
        running().used = running().credentials.current();
        return finder.register(reason);
      },
      connect: (hub) => this.#connect(running(), hub),
      disconnect: () => void running().session?.close(),
      onTransition: (event) => this.#tell(event),
      onState: (state, error) => {
        this.#state = state;
        this.#tell({ type: 'status', state, ...(error && { error }) });
        if (state.status === 'Connected') onFirstConnection();
      },
      onFailure: (error) => this.#takeFailure(running(), error),
      onRetry: ({ attempt, afterMs, why }, error) =>
        this.#tell({ type: 'retry', attempt, delayMs: afterMs, why, error }),
    });
  }

  async #run(running: Running): Promise<DeviceAgentError | undefined> {
    const { store, stopping, loop } = running;
    const { identity, renewal } = this.#options;
    try {
      running.credentials = await openCredentials({
        identity,
        renewal,
        store,
        proof: { prove: (candidate, signal) => this.#prove(running, candidate, signal) },
        clock: this.#clock,
        random: this.#random,
        onEvent: (event) => this.#tell(event),
      });
    } catch (error) {
      if (error instanceof DeviceAgentError) return error;
      throw error;
    }
    const renewing = running.credentials.run(stopping.signal);
    const error = await loop.run();
    stopping.abort();
    await renewing;
    return error;
  }

  #register(
    { dialer }: Running,
    service: ProvisioningService,
    identity: DeviceIdentity,
    signal: AbortSignal,
  ): Promise<Assignment> {
    return registerDevice({
      identity,
      provisioning: service,
      openStream: (host, until) => dialer.open(host, identity, until),
      payload: this.#options.provisioningPayload,
      signal,
      clock: this.#clock,
      random: this.#random,
    });
  }

  async #connect(running: Running, hub: FoundHub): Promise<{ lost: Promise<DeviceAgentError> }> {
    const { work, dialer, stopping, credentials } = running;
    const identity = credentials.current();
    running.used = identity;
    checkValidity(identity, this.#clock.now());
    this.#tell({ type: 'connecting', ...hub, certificate: identity.certificate });
    const session = await HubSession.open(
      {
        identity,
        address: hub,
        openStream: (host, signal) => dialer.open(host, identity, signal),
        clock: this.#clock,
        keepAliveSeconds: this.#options.keepAliveSeconds ?? defaultKeepAliveSeconds,
        onMessage: (arrival) => work.receive(arrival),
        onMethod: (name, body, signal) => work.answer(name, body, signal),
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
    dialer.connected();
    credentials.connected(identity);
    return { lost };
  }

  /** Registers and connects with it; the hub then drops the connection that there is, which comes back by itself. */
  async #prove(running: Running, identity: DeviceIdentity, signal: AbortSignal): Promise<void> {
    const { finder, dialer } = running;
    const { connectTo } = this.#options;
    let address = finder.kept();
    if ('idScope' in connectTo) {
      const { assignedHub, deviceId } = await this.#register(running, finder.service(), identity, signal);
      address = { hostName: assignedHub, deviceId, isKept: false };
    }
    if (!address) return;
    const session = await HubSession.open(
      {
        identity,
        address,
        openStream: (host, until) => dialer.open(host, identity, until),
        clock: this.#clock,
        keepAliveSeconds: defaultKeepAliveSeconds,
        // Nothing is taken here: unacknowledged, it comes again on the connection that follows.
        onMessage: () => undefined,
        onMethod: () => Promise.reject(new Error('not connected for work')),
        onDesiredPatch: () => undefined,
      },
      signal,
    );
    await session.close();
  }

  #takeFailure({ dialer, credentials, finder, used }: Running, error: DeviceAgentError): void {
    dialer.failed(error.failure);
    const isRefused =
      error.code === 'ERR_AGENT_DPS_REFUSED' || (error.code === 'ERR_AGENT_HUB_REFUSED' && !finder.canProvision);
    if (isRefused) credentials.refused(used);
  }

  async #close({ store, work }: Running): Promise<void> {
    this.#running = undefined;
    await work.end();
    this.#undeliveredMessages = work.outbox.count;
    store.close();
  }

  #need(): Running {
    this.#begin?.();
    if (!this.#running || this.#running.isEnding === true) {
      throw new DeviceAgentError(
        'ERR_AGENT_STOPPED',
        `The agent of ${this.#options.identity.registrationId} is not running.`,
        { advice: 'Start it first.' },
      );
    }
    return this.#running;
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

function stopped({ registrationId }: DeviceIdentity): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_STOPPED', `The agent of ${registrationId} was stopped.`, {
    advice: 'Start it again to go on.',
  });
}
