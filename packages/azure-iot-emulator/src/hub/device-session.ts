import type { ConnectRefusal, MqttClient, MqttSession, SubscriptionRefusal } from '../mqtt/service.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { messageTopic, packetIdOf } from './cloud-to-device.ts';
import { type DevicePublish, parseDevicePublish, subscriptionKind, type SubscriptionKind } from './device-topic.ts';
import { type MethodCall, type MethodResponse, PendingMethods } from './direct-method.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import type { ClientIdentity, HubClient, Subscriptions } from './hub-client.ts';
import { type ErrorContext, HubError } from './hub-error.ts';
import type { HubQuotas } from './hub-quotas.ts';
import { requireStandard } from './hub-tier.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { AuthenticationMethod, ReceivedTelemetry } from './telemetry.ts';
import { TwinRequests } from './twin-requests.ts';

/** The hub as a session needs it. */
export interface SessionHost {
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly assumptions: HubAssumptions;
  readonly quotas: HubQuotas;
  readonly log: (line: string) => void;
  readonly takeTelemetry: (telemetry: ReceivedTelemetry) => void;
  /** Something changed that callers may wait for: a connection, a subscription. */
  readonly changed: () => void;
  readonly errorContext: () => ErrorContext;
}

/** Options of {@link DeviceSession}. */
export interface DeviceSessionOptions {
  readonly host: SessionHost;
  readonly device: HubClient;
  readonly client: MqttClient;
  readonly cleanSession: boolean;
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
  readonly authenticationMethod: AuthenticationMethod;
  /** When the connection has to end with the device's credential, in milliseconds since 1970. */
  readonly expiresMs: number | undefined;
}

/** What `connect` of a hub answers. */
export type SessionAnswer = DeviceSession | { readonly refusal: ConnectRefusal; readonly reason: string };

const mostSubscriptions = 5;
const largestTelemetryBytes = 256 * 1024;

/** A device's MQTT connection to its hub; topics as in "Communicate with an IoT hub using MQTT". */
export class DeviceSession implements MqttSession {
  readonly sessionPresent: boolean;
  readonly #options: DeviceSessionOptions;
  /** At hand, since every message asks for them. */
  readonly #host: SessionHost;
  readonly #identity: ClientIdentity;
  readonly #device: HubClient;
  readonly #methods: PendingMethods;
  readonly #twinRequests: TwinRequests;
  #subscriptions: Subscriptions = new Map();
  #isOpen = false;
  #isDisplaced = false;
  #lastActivityMs = 0;
  #lastTopic = '';
  #lastPublish: DevicePublish | undefined;
  #stopExpiry: () => void = () => undefined;

  constructor(options: DeviceSessionOptions) {
    this.#options = options;
    this.#host = options.host;
    this.#identity = options.device.identity;
    this.#device = options.device;
    this.#methods = new PendingMethods(options.host.startTimer, options.host.assumptions);
    this.#twinRequests = new TwinRequests({
      host: options.host,
      device: options.device,
      respond: (tail, body) => this.#respond(tail, body),
    });
    this.sessionPresent = !options.cleanSession && options.device.keptSubscriptions !== undefined;
  }

  opened(): void {
    const { host, cleanSession, expiresMs } = this.#options;
    const older = this.#device.session;
    this.#isOpen = true;
    this.#device.session = this;
    older?.displace();
    if (cleanSession) {
      this.#device.keptSubscriptions = undefined;
      if (host.assumptions.cleanSessionMessages === 'purge') this.#device.messages.purge();
    } else {
      this.#device.keptSubscriptions ??= new Map<string, 0 | 1>();
      // Read again: the device keeps a map of its own.
      this.#subscriptions = this.#device.keptSubscriptions;
    }
    this.#device.connectionStateUpdatedMs = this.#lastActivityMs = host.now();
    if (expiresMs !== undefined) {
      this.#stopExpiry = host.startTimer(Math.max(0, expiresMs - host.now()), () =>
        this.close(
          `the ${this.#options.authenticationMethod === 'x509' ? 'certificate' : 'shared access signature'} has expired`,
        ),
      );
    }
    host.changed();
    this.deliverMessages();
  }

  subscribe(topicFilter: string, qos: 0 | 1 | 2): 0 | 1 | SubscriptionRefusal {
    const kind = subscriptionKind(topicFilter, this.#device.identity);
    const isOneTooMany = !this.#subscriptions.has(topicFilter) && this.#subscriptions.size >= mostSubscriptions;
    if (kind === undefined || isOneTooMany) {
      const why = kind === undefined ? 'unknown topic filter' : `more than ${mostSubscriptions} subscriptions`;
      this.#log(`subscription refused, ${why}: ${topicFilter}`);
      if (this.#options.host.assumptions.refusedSubscription === 'disconnect')
        this.close(`subscription refused, ${why}`);
      return { refusal: why };
    }
    const granted = qos === 0 ? 0 : 1;
    this.#subscriptions.set(topicFilter, granted);
    return granted;
  }

  subscribed(topicFilter: string): void {
    if (subscriptionKind(topicFilter, this.#device.identity) === 'messages') this.deliverMessages();
    this.#options.host.changed();
  }

  unsubscribe(topicFilter: string): void {
    this.#subscriptions.delete(topicFilter);
  }

  publish(packet: {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly retain: boolean;
  }): Promise<void> | undefined {
    this.#lastActivityMs = this.#host.now();
    return this.#take(packet);
  }

  closed(graceful: boolean): void {
    if (!this.#isOpen) return;
    const { host, will } = this.#options;
    this.#isOpen = false;
    this.#stopExpiry();
    if (this.#device.session === this) {
      this.#device.session = undefined;
      this.#device.lastActivityMs = this.#lastActivityMs;
      this.#device.connectionStateUpdatedMs = host.now();
    }
    this.#device.messages.releaseAll();
    this.#methods.failAll(
      this.#isDisplaced
        ? new HubError('ConnectionForcefullyClosedOnNewConnection')
        : new HubError('DeviceNotOnline', { text: 'Device unavailable' }),
    );
    if (will && !graceful) this.#publishWill(will);
    host.changed();
  }

  /** A newer connection of the same device takes over. */
  displace(): void {
    this.#isDisplaced = true;
    this.close('a newer connection of the same device');
  }

  close(reason: string): void {
    this.#options.client.close(reason);
  }

  /** Milliseconds since 1970. */
  get lastActivityMs(): number {
    return this.#lastActivityMs;
  }

  get takesMethods(): boolean {
    return this.#grantedQos('methods') !== undefined;
  }

  /** @throws {HubError} GatewayTimeout, DeviceNotOnline, ConnectionForcefullyClosedOnNewConnection, InvalidDeviceResponse */
  callMethod(call: MethodCall): Promise<MethodResponse> {
    const { requestId, response } = this.#methods.add(call);
    this.#send(`$iothub/methods/POST/${call.methodName}/?$rid=${requestId}`, call.payload, 0);
    return response;
  }

  /** Tells of a change of desired properties; who isn't subscribed reads the twin when it next connects. */
  notifyDesired(patch: JsonObject, version: number): void {
    const qos = this.#grantedQos('desired');
    if (qos === undefined) return;
    this.#send(`$iothub/twin/PATCH/properties/desired/?$version=${version}`, { ...patch, $version: version }, qos);
  }

  /** Sends what waits in the device's queue; each message stays there until the device has acknowledged it. */
  deliverMessages(): void {
    const qos = this.#grantedQos('messages');
    if (qos === undefined) return;
    const { messages, identity } = this.#device;
    const { client, host } = this.#options;
    for (let delivery = messages.take(host.now()); delivery; delivery = messages.take(host.now())) {
      const { message, isRedelivery } = delivery;
      const packet = { packetId: packetIdOf(message), isRedelivery };
      client.publish(messageTopic(identity, message), message.request.body, qos, packet).then(
        () => messages.complete(message),
        // The connection is gone: closed() has put the message back.
        () => undefined,
      );
    }
  }

  /** @throws {Error} what ends the connection */
  #take(packet: {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly retain: boolean;
  }): Promise<void> | undefined {
    const publish = this.#publishTo(packet.topic);
    switch (publish?.kind) {
      case undefined:
        throw new Error(`publish to a topic that the hub doesn't know: ${packet.topic}`);
      case 'telemetry':
        return this.#takeTelemetry(publish.bag, packet, false);
      case 'twinGet':
        requireStandard(this.#options.host.quotas.tier, 'twins');
        return this.#twinRequests.get(publish.requestId);
      case 'reportedPatch':
        requireStandard(this.#options.host.quotas.tier, 'twins');
        return this.#twinRequests.report(publish.requestId, packet.payload);
      case 'methodResponse':
        this.#methods.answer(publish.requestId, publish.status, packet.payload);
        return undefined;
    }
  }

  /** A device sends to one topic over and over. */
  #publishTo(topic: string): DevicePublish | undefined {
    if (topic !== this.#lastTopic) {
      this.#lastPublish = parseDevicePublish(topic, this.#identity);
      this.#lastTopic = topic;
    }
    return this.#lastPublish;
  }

  /** Under a throttle the acknowledgement waits; there is no other way to slow a device down. */
  #takeTelemetry(
    bag: string,
    { payload, retain }: { payload: Uint8Array; retain: boolean },
    isWill: boolean,
  ): Promise<void> | undefined {
    if (payload.length > largestTelemetryBytes) {
      throw new Error(`a message of ${payload.length} bytes, at most ${largestTelemetryBytes} are allowed`);
    }
    const host = this.#host;
    host.quotas.countMessage(payload.length);
    const wait = host.quotas.pass('telemetry');
    if (wait) return wait.then(() => host.takeTelemetry(this.#received(bag, { payload, retain }, isWill)));
    host.takeTelemetry(this.#received(bag, { payload, retain }, isWill));
    return undefined;
  }

  #received(
    bag: string,
    { payload, retain }: { payload: Uint8Array; retain: boolean },
    isWill: boolean,
  ): ReceivedTelemetry {
    const { authenticationMethod } = this.#options;
    const identity = this.#identity;
    return { identity, authenticationMethod, enqueuedTimeMs: this.#host.now(), bag, payload, retain, isWill };
  }

  #publishWill(will: { readonly topic: string; readonly payload: Uint8Array }): void {
    try {
      const publish = parseDevicePublish(will.topic, this.#device.identity);
      if (publish?.kind !== 'telemetry') throw new Error('not a telemetry topic');
      void this.#takeTelemetry(publish.bag, { payload: will.payload, retain: false }, true);
    } catch (error) {
      this.#log(`will message dropped: ${will.topic}: ${String(error)}`);
    }
  }

  #respond(tail: string, body: JsonValue | undefined): void {
    const qos = this.#grantedQos('twinResponses');
    if (qos === undefined) this.#log('twin request without a subscription to $iothub/twin/res/#: not answered');
    else this.#send(`$iothub/twin/res/${tail}`, body, qos);
  }

  #send(topic: string, body: JsonValue | undefined, qos: 0 | 1): void {
    const payload = Buffer.from(body === undefined ? '' : JSON.stringify(body));
    // Not sent again where the connection ends first: a twin is read anew, a method fails by itself.
    this.#options.client.publish(topic, payload, qos).catch(() => undefined);
  }

  #grantedQos(kind: SubscriptionKind): 0 | 1 | undefined {
    const { identity } = this.#device;
    return [...this.#subscriptions].find(([topicFilter]) => subscriptionKind(topicFilter, identity) === kind)?.[1];
  }

  #log(line: string): void {
    const { deviceId, moduleId } = this.#device.identity;
    this.#options.host.log(
      `${moduleId === undefined ? `device ${deviceId}` : `module ${deviceId}/${moduleId}`}: ${line}`,
    );
  }
}
