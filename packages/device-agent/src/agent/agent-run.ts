import type { Clock } from '../clock.ts';
import { asAgentError, DeviceAgentError } from '../errors.ts';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import { HubSession } from '../protocol/hub-session.ts';
import { registerWithState, type ProvisioningService, type Registered } from '../protocol/provision.ts';
import type { AzureTerms } from '../renewal/azure-access.ts';
import { openStateStore, type StateStore } from '../state/state-store.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import type { AgentEvent, DeviceAgentOptions } from './agent-options.ts';
import { ConnectionLoop } from './connection-loop.ts';
import type { ConnectionState } from './connection-status.ts';
import { onlyCredential, openCredentials, type CredentialUse } from './credential-use.ts';
import { DeviceWork } from './device-work.ts';
import { Dialer, type SecureIdentity } from './dialer.ts';
import type { EarlyRegistration } from './early-registration.ts';
import { HubFinder, type FoundHub } from './hub-finder.ts';
import { Reconnection } from './reconnection.ts';
import {
  readReprovisionRequest,
  withReprovisionMethod,
  withReprovisionProperty,
  type ReprovisionRequest,
} from './reprovision-command.ts';
import { exponentialBackoff } from './retry-policy.ts';
import { writeOrTell } from './state-event.ts';

/** Microsoft's Node client's; the hub waits 1.5 times as long. */
const defaultKeepAliveSeconds = 180;

export interface AgentRunOptions {
  readonly agent: DeviceAgentOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly secure: SecureIdentity;
  /** A connection that is under way already. */
  readonly early: EarlyRegistration | undefined;
  readonly stopping: AbortController;
  readonly onEvent: (event: AgentEvent) => void;
  readonly onState: (state: ConnectionState) => void;
}

interface Registering {
  readonly service: ProvisioningService;
  readonly identity: DeviceIdentity;
  readonly added?: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
}

/** One run of an agent, from the opening of its state folder to its closing: everything that exists only while it runs. */
export class AgentRun {
  readonly work: DeviceWork;
  readonly #options: AgentRunOptions;
  readonly #store: StateStore;
  readonly #dialer: Dialer;
  readonly #finder: HubFinder;
  readonly #loop: ConnectionLoop;
  readonly #terms: AzureTerms;
  #credentials: CredentialUse;
  /** The credential of the last try. */
  #used: DeviceIdentity;
  #session: HubSession | undefined;
  #isEnding = false;

  /** @throws {DeviceAgentError} ERR_AGENT_STATE */
  constructor(options: AgentRunOptions) {
    const { agent, clock, secure } = options;
    const { identity, connectTo, transport = 'auto', proxy, trustedRootsPem } = agent;
    this.#options = options;
    this.#used = identity;
    const source = agent.renewal?.source;
    this.#terms = (typeof source === 'object' ? source.azure : undefined) ?? {};
    this.#credentials = onlyCredential(identity);
    this.#store = openStateStore(agent.stateFolder, identity.registrationId);
    const store = this.#store;
    try {
      if (store.setAside) options.onEvent({ type: 'state-set-aside', ...store.setAside });
      this.#dialer = new Dialer({ choice: transport, proxy, trustedRootsPem, store, clock, secure });
      this.#finder = new HubFinder({
        store,
        connectTo,
        register: async (service) =>
          (await this.#register({ service, identity: this.#used, signal: options.stopping.signal })).assignment,
        onEvent: options.onEvent,
      });
      this.work = this.#createWork();
      this.#loop = this.#createLoop();
    } catch (error) {
      // What is kept can't be read: the next start has to find the folder free.
      store.close();
      throw error;
    }
  }

  /** Set by `end`: nothing new is taken while the rest is delivered. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Runs until it is stopped (undefined), or has an answer that ends it; the state folder is closed then. */
  async run(): Promise<DeviceAgentError | undefined> {
    const error = await this.#runOpen();
    await this.work.end();
    writeOrTell(() => this.#store.close(), this.#options.onEvent);
    return error;
  }

  /** @throws {DeviceAgentError} ERR_AGENT_COMMAND, ERR_AGENT_STATE */
  reprovision(request: ReprovisionRequest, reason: string): void {
    this.#takeOrder(request, reason);
  }

  /** Delivers what it can within the time, in milliseconds, and lets `run` come to its end. */
  async end(graceMs: number): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.work.takeNoMore();
    if (this.#session) {
      const timeout = new AbortController();
      await Promise.race([this.work.sender.empty(), this.#options.clock.delay(graceMs, timeout.signal)]);
      timeout.abort();
    }
    // The loop ends whatever connection there is by now.
    this.#options.stopping.abort();
  }

  async #runOpen(): Promise<DeviceAgentError | undefined> {
    const { agent, clock, random, stopping, onEvent } = this.#options;
    const { identity, renewal } = agent;
    try {
      this.#credentials = await openCredentials({
        identity,
        renewal,
        store: this.#store,
        proof: { prove: (candidate, signal) => this.#prove(candidate, signal) },
        azure: { register: (added, signal) => this.#registerFor(added, signal), hub: () => this.#session },
        clock,
        random,
        onEvent,
      });
    } catch (error) {
      return asAgentError(error, 'Start it again to go on, and report this.');
    }
    const renewing = this.#credentials.run(stopping.signal);
    const error = await this.#loop.run();
    stopping.abort();
    await renewing;
    return error;
  }

  #createWork(): DeviceWork {
    const { agent, clock, random, onEvent } = this.#options;
    const { reprovision = {}, messages, outbox, onMessage = () => undefined } = agent;
    const { method = 'reprovision', desiredProperty = 'reprovision' } = reprovision;
    const { methods = {}, onDesired = () => undefined } = agent;
    return new DeviceWork(this.#store, {
      onMessage,
      messages,
      methods: withReprovisionMethod(methods, method, (request, reason) => this.reprovision(request, reason)),
      onDesired: withReprovisionProperty(onDesired, desiredProperty, (value, reason) => this.#obeyOnce(value, reason)),
      onEvent,
      clock,
      random,
      outbox,
      ownReported: () => this.#credentials.report(),
    });
  }

  /** On disk before it is answered: a process that ends right after has promised it. */
  #takeOrder(request: ReprovisionRequest, reason: string, mark: () => void = () => undefined): void {
    const { idScope, endpoint } = readReprovisionRequest(request);
    if (!this.#finder.canProvision) {
      throw new DeviceAgentError(
        'ERR_AGENT_COMMAND',
        `${this.#options.agent.identity.registrationId} was given its hub: there is no DPS to ask.`,
        { advice: 'Start it with an ID scope.' },
      );
    }
    if (idScope === undefined) this.#finder.askAgain(reason, mark);
    else this.#finder.moveTo({ idScope, ...(endpoint !== undefined && { endpoint }) }, mark);
    // What is being answered goes out first.
    setImmediate(() => this.#loop.redirect('dps', reason));
  }

  /** A twin that DPS makes anew brings the same order again. */
  #obeyOnce(value: JsonObject, reason: string): void {
    if (JSON.stringify(this.#store.get('reprovision-order')) === JSON.stringify(value)) return;
    this.#takeOrder(value, reason, () => this.#store.put('reprovision-order', value));
  }

  #createLoop(): ConnectionLoop {
    const { agent, clock, random, stopping, onEvent, onState } = this.#options;
    const { fleet = { size: 1 }, onRefusal = 'retry-slowly' } = agent;
    const { canProvision } = this.#finder;
    const policy = agent.retryPolicy ?? exponentialBackoff({ fleet, random });
    return new ConnectionLoop({
      clock,
      reconnection: new Reconnection({ policy, fleet, onRefusal, canProvision, random }),
      signal: stopping.signal,
      canProvision,
      keptHub: () => this.#finder.kept(),
      isMoving: () => this.#finder.isMoving,
      order: () => this.#finder.order,
      register: (reason) => {
        this.#used = this.#credentials.forDps();
        return this.#finder.register(reason);
      },
      connect: (hub) => this.#connect(hub),
      disconnect: () => void this.#session?.close(),
      onTransition: onEvent,
      onState: (state, error) => {
        onState(state);
        onEvent({ type: 'status', state, ...(error && { error }) });
      },
      onFailure: (error) => this.#takeFailure(error),
      onRetry: ({ attempt, afterMs, why }, error) => onEvent({ type: 'retry', attempt, delayMs: afterMs, why, error }),
    });
  }

  #register({ service, identity, added, signal }: Registering): Promise<Registered> {
    const { agent, clock, random, early } = this.#options;
    const underWay = early?.take(service);
    if (underWay) return underWay;
    return registerWithState({
      identity,
      provisioning: service,
      added,
      apiVersion: this.#terms.dpsApiVersion,
      openStream: (host, until) => this.#dialer.open(host, identity, until),
      payload: agent.provisioningPayload,
      signal,
      clock,
      random,
    });
  }

  /** For a source of certificates. */
  async #registerFor(
    added: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    if (!this.#finder.canProvision) return undefined;
    const identity = this.#credentials.forDps();
    return (await this.#register({ service: this.#finder.service(), identity, added, signal })).state;
  }

  async #connect(hub: FoundHub): Promise<{ lost: Promise<DeviceAgentError> }> {
    const { work } = this;
    const { agent, clock, stopping, onEvent } = this.#options;
    const identity = this.#credentials.current();
    this.#used = identity;
    checkValidity(identity, clock.now());
    onEvent({ type: 'connecting', ...hub, certificate: identity.certificate });
    const session = await HubSession.open(
      {
        identity,
        address: hub,
        openStream: (host, signal) => this.#dialer.open(host, identity, signal),
        clock,
        keepAliveSeconds: agent.keepAliveSeconds ?? defaultKeepAliveSeconds,
        apiVersion: this.#terms.hubApiVersion,
        onMessage: (arrival) => work.receive(arrival),
        onMethod: (name, body, signal) => work.answer(name, body, signal),
        onDesiredPatch: (patch) => work.takeDesired(patch),
      },
      stopping.signal,
    );
    this.#session = session;
    const lost = session.ended.then((error) => {
      if (this.#session === session) {
        this.#session = undefined;
        work.detach();
      }
      return error;
    });
    work.attach(session);
    writeOrTell(() => this.#dialer.connected(), onEvent);
    writeOrTell(() => this.#credentials.connected(identity), onEvent);
    return { lost };
  }

  /**
   * Registers with it, where DPS is to know it, and connects; the hub then drops the connection that there is, which comes back
   * by itself.
   */
  async #prove(identity: DeviceIdentity, signal: AbortSignal): Promise<void> {
    let address = this.#finder.kept();
    const isForHubAlone = this.#terms.registersWith === 'onboarding';
    if (this.#finder.canProvision && !(isForHubAlone && address)) {
      const known = isForHubAlone ? this.#credentials.forDps() : identity;
      const { assignment } = await this.#register({ service: this.#finder.service(), identity: known, signal });
      const { assignedHub, deviceId } = assignment;
      address = { hostName: assignedHub, deviceId, isKept: false };
    }
    if (!address) return;
    const session = await HubSession.open(
      {
        identity,
        address,
        openStream: (host, until) => this.#dialer.open(host, identity, until),
        clock: this.#options.clock,
        keepAliveSeconds: defaultKeepAliveSeconds,
        apiVersion: this.#terms.hubApiVersion,
        // Nothing is taken here: unacknowledged, it comes again on the connection that follows.
        onMessage: () => undefined,
        onMethod: () => Promise.reject(new Error('not connected for work')),
        onDesiredPatch: () => undefined,
      },
      signal,
    );
    await session.close();
  }

  #takeFailure({ code, failure }: DeviceAgentError): void {
    this.#dialer.failed(failure);
    const isHubsToDecide = !this.#finder.canProvision || this.#terms.registersWith === 'onboarding';
    if (code === (isHubsToDecide ? 'ERR_AGENT_HUB_REFUSED' : 'ERR_AGENT_DPS_REFUSED'))
      this.#credentials.refused(this.#used);
  }
}
