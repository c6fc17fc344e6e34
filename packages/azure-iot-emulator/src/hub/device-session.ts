import type { ConnectRefusal, MqttClient, MqttSession } from '../mqtt/service.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { messageTopic } from './cloud-to-device.ts';
import type { Device, Subscriptions } from './device.ts';
import { parseDevicePublish, subscriptionKind, type SubscriptionKind } from './device-topic.ts';
import { type MethodCall, type MethodResponse, PendingMethods } from './direct-method.ts';
import { type ErrorContext, HubError, structuredError } from './hub-error.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { AuthenticationMethod, ReceivedTelemetry } from './telemetry.ts';
import { patchReported, twinForDevice } from './twin.ts';

/** The hub as a session needs it. */
export interface SessionHost {
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly log: (line: string) => void;
  readonly takeTelemetry: (telemetry: ReceivedTelemetry) => void;
  /** Something changed that callers may wait for: a connection, a subscription. */
  readonly changed: () => void;
  readonly errorContext: () => ErrorContext;
}

/** Options of {@link DeviceSession}. */
export interface DeviceSessionOptions {
  readonly host: SessionHost;
  readonly device: Device;
  readonly client: MqttClient;
  readonly cleanSession: boolean;
  readonly will: { readonly topic: string; readonly payload: Uint8Array } | undefined;
  readonly authenticationMethod: AuthenticationMethod;
  /** When the device's token runs out, in milliseconds since 1970; undefined with a certificate. */
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
  readonly #device: Device;
  readonly #methods: PendingMethods;
  #subscriptions: Subscriptions = new Map();
  #isOpen = false;
  #isDisplaced = false;
  #stopExpiry: () => void = () => undefined;

  constructor(options: DeviceSessionOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#methods = new PendingMethods(options.host.startTimer);
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
      this.#device.messages.purge();
    } else {
      this.#subscriptions = this.#device.keptSubscriptions ??= new Map<string, 0 | 1>();
    }
    this.#device.connectionStateUpdatedMs = this.#device.lastActivityMs = host.now();
    if (expiresMs !== undefined) {
      this.#stopExpiry = host.startTimer(Math.max(0, expiresMs - host.now()), () =>
        this.close('the shared access signature has expired'),
      );
    }
    host.changed();
    this.deliverMessages();
  }

  subscribe(topicFilter: string, qos: 0 | 1 | 2): 0 | 1 | 0x80 {
    const kind = subscriptionKind(topicFilter, this.#device.identity.deviceId);
    const isOneTooMany = !this.#subscriptions.has(topicFilter) && this.#subscriptions.size >= mostSubscriptions;
    if (kind === undefined || isOneTooMany) {
      const why = kind === undefined ? 'unknown topic filter' : `more than ${mostSubscriptions} subscriptions`;
      this.#log(`subscription refused, ${why}: ${topicFilter}`);
      return 0x80;
    }
    const granted = qos === 0 ? 0 : 1;
    this.#subscriptions.set(topicFilter, granted);
    return granted;
  }

  subscribed(topicFilter: string): void {
    if (subscriptionKind(topicFilter, this.#device.identity.deviceId) === 'messages') this.deliverMessages();
    this.#options.host.changed();
  }

  unsubscribe(topicFilter: string): void {
    this.#subscriptions.delete(topicFilter);
  }

  publish(packet: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): Promise<void> {
    this.#device.lastActivityMs = this.#options.host.now();
    try {
      this.#take(packet);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  closed(graceful: boolean): void {
    if (!this.#isOpen) return;
    const { host, will } = this.#options;
    this.#isOpen = false;
    this.#stopExpiry();
    if (this.#device.session === this) {
      this.#device.session = undefined;
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
    for (let message = messages.take(host.now()); message; message = messages.take(host.now())) {
      const delivered = message;
      client.publish(messageTopic(identity.deviceId, delivered), delivered.request.body, qos).then(
        () => messages.complete(delivered),
        // The connection is gone: closed() has put the message back.
        () => undefined,
      );
    }
  }

  #take(packet: { readonly topic: string; readonly payload: Uint8Array; readonly retain: boolean }): void {
    const publish = parseDevicePublish(packet.topic, this.#device.identity.deviceId);
    switch (publish?.kind) {
      case undefined:
        throw new Error(`publish to a topic that the hub doesn't know: ${packet.topic}`);
      case 'telemetry':
        this.#takeTelemetry(publish.bag, packet, false);
        return;
      case 'twinGet':
        this.#respond(`200/?$rid=${publish.requestId}`, twinForDevice(this.#device.twin));
        return;
      case 'reportedPatch':
        this.#patchReported(publish.requestId, packet.payload);
        return;
      case 'methodResponse':
        this.#methods.answer(publish.requestId, publish.status, packet.payload);
        return;
    }
  }

  #takeTelemetry(bag: string, { payload, retain }: { payload: Uint8Array; retain: boolean }, isWill: boolean): void {
    if (payload.length > largestTelemetryBytes) {
      throw new Error(`a message of ${payload.length} bytes, at most ${largestTelemetryBytes} are allowed`);
    }
    const { deviceId, generationId } = this.#device.identity;
    const { authenticationMethod, host } = this.#options;
    const enqueuedTimeMs = host.now();
    host.takeTelemetry({ deviceId, generationId, authenticationMethod, enqueuedTimeMs, bag, payload, retain, isWill });
  }

  #publishWill(will: { readonly topic: string; readonly payload: Uint8Array }): void {
    try {
      const publish = parseDevicePublish(will.topic, this.#device.identity.deviceId);
      if (publish?.kind !== 'telemetry') throw new Error('not a telemetry topic');
      this.#takeTelemetry(publish.bag, { payload: will.payload, retain: false }, true);
    } catch (error) {
      this.#log(`will message dropped: ${will.topic}: ${String(error)}`);
    }
  }

  #patchReported(requestId: string, payload: Uint8Array): void {
    try {
      this.#device.twin = patchReported(this.#device.twin, parsePatch(payload), this.#options.host.now());
      this.#respond(`204/?$rid=${requestId}&$version=${this.#device.twin.reported.version}`, undefined);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      const body = structuredError(error, this.#options.host.errorContext());
      this.#respond(`${error.status}/?$rid=${requestId}`, body);
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
    const { deviceId } = this.#device.identity;
    return [...this.#subscriptions].find(([topicFilter]) => subscriptionKind(topicFilter, deviceId) === kind)?.[1];
  }

  #log(line: string): void {
    this.#options.host.log(`device ${this.#device.identity.deviceId}: ${line}`);
  }
}

function parsePatch(payload: Uint8Array): JsonValue {
  try {
    return JSON.parse(Buffer.from(payload).toString()) as JsonValue;
  } catch {
    throw new HubError('IotHubFormatError', { text: 'reported properties are not JSON' });
  }
}
