import type { SecureContext } from 'node:tls';
import iotCommon from 'azure-iot-common';
import iotDevice from 'azure-iot-device';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import type { Clock } from '../clock.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import { isCloudToDevice } from '../messages/inbox.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import {
  createMqttConnection,
  type ConnectionFailure,
  type MqttConnection,
  type Transport,
} from './mqtt-connection.ts';
import type { StoredMessage } from '../telemetry/outbox.ts';

/** A direct method's answer: a status of the device's own choosing (HTTP-like by custom) and a JSON value. */
export interface MethodResponse {
  readonly status: number;
  readonly payload?: unknown;
}

/** What a session needs, and whom it tells. */
export interface HubSessionOptions {
  readonly identity: DeviceIdentity;
  readonly hostName: string;
  readonly deviceId: string;
  readonly transport: Transport;
  readonly secureContext: SecureContext;
  readonly clock: Clock;
  /** Has the message on disk when it returns; what it throws leaves the message with the hub. */
  readonly onCloudToDevice: (topic: string, body: Buffer) => void;
  readonly methods: ReadonlyMap<string, (payload: unknown) => Promise<MethodResponse>>;
  readonly onDesiredPatch: (patch: JsonObject) => void;
  /** Called once, when a session that was open has ended, in whatever way. */
  readonly onClosed: (error: DeviceAgentError) => void;
}

/** An answer that takes longer than this, in milliseconds, won't come any more. */
const answerTimeoutMs = 30_000;

/** What the transport passes on of a method request. */
interface MethodRequest {
  readonly requestId: string;
  readonly body: Buffer;
}

type Done = (error?: Error | null, result?: unknown) => void;

/** One connection to one hub, on Microsoft's transport. It never reconnects: whoever opened it opens the next. */
export class HubSession {
  readonly #options: HubSessionOptions;
  readonly #connection: MqttConnection;
  readonly #transport: Mqtt;
  readonly #waiting = new Set<(error: DeviceAgentError) => void>();
  #isOpen = false;
  #end: DeviceAgentError | undefined;

  private constructor(options: HubSessionOptions) {
    this.#options = options;
    const { identity, hostName, deviceId } = options;
    this.#connection = createMqttConnection(options.secureContext, (topic, body) => {
      if (isCloudToDevice(topic)) options.onCloudToDevice(topic, body);
    });
    const credentials = { cert: identity.chainPem, key: identity.privateKeyPem ?? 'in its token' };
    const TransportClass = options.transport === 'mqtt-websocket' ? MqttWs : Mqtt;
    const provider = iotDevice.X509AuthenticationProvider.fromX509Options(deviceId, hostName, credentials);
    this.#transport = new TransportClass(provider, this.#connection.base);
    this.#transport.on('error', () => undefined);
    this.#transport.on('disconnect', (error?: Error) => this.#lost(error));
  }

  /**
   * Connects; the session can send from here on.
   *
   * @throws {DeviceAgentError} ERR_AGENT_HUB_REFUSED, ERR_AGENT_HUB_UNREACHABLE, ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_STOPPED
   */
  static async open(options: HubSessionOptions, signal: AbortSignal): Promise<HubSession> {
    const session = new HubSession(options);
    const stop = (): void => session.#connection.destroy();
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      await session.#call((done) => session.#transport.connect(done));
      session.#isOpen = true;
      return session;
    } catch (error) {
      session.#connection.destroy();
      if (signal.aborted) throw stopped(options.deviceId);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Asks for cloud-to-device messages, direct methods and desired properties, in the order that loses none. */
  async subscribe(): Promise<void> {
    for (const [name, handler] of this.#options.methods) this.#answerMethod(name, handler);
    this.#transport.on('twinDesiredPropertiesUpdate', this.#options.onDesiredPatch);
    await Promise.all([
      this.#call((done) => this.#transport.enableC2D(done)),
      this.#call((done) => this.#transport.enableMethods(done)),
      this.#call((done) => this.#transport.enableTwinDesiredPropertiesUpdates(done)),
    ]);
  }

  /** Resolves when the hub has acknowledged the message (PUBACK). */
  async send(stored: StoredMessage): Promise<void> {
    const message = new iotCommon.Message(stored.body);
    message.messageId = stored.messageId;
    // The declared types name one value each; the hub takes any.
    Object.assign(message, { contentType: stored.contentType, contentEncoding: stored.contentEncoding });
    for (const [name, value] of Object.entries(stored.properties)) message.properties.add(name, value);
    // Application property that says when the device measured, whenever the hub enqueues it.
    message.properties.add('iothub-creation-time-utc', stored.createdAt);
    await this.#call((done) => this.#transport.sendEvent(message, done));
  }

  /** Desired and reported properties as the hub has them now. Subscribe first, then ask: the hub replays nothing. */
  async getTwin(): Promise<{ desired: JsonObject; reported: JsonObject }> {
    return (await this.#call((done) => this.#transport.getTwin(done))) as { desired: JsonObject; reported: JsonObject };
  }

  /** @throws {DeviceAgentError} ERR_AGENT_TWIN: the hub refused the patch */
  async report(patch: JsonObject): Promise<void> {
    try {
      await this.#call((done) => this.#transport.updateTwinReportedProperties(patch, done));
    } catch (cause) {
      if (cause instanceof DeviceAgentError && !this.#isOpen) throw cause;
      throw new DeviceAgentError(
        'ERR_AGENT_TWIN',
        `The hub refused reported properties ${Object.keys(patch).join(', ')}: ${textOf(cause)}. Keep to the twin's limits (32 KB, depth 10, no $ . or space in names).`,
        { cause },
      );
    }
  }

  /** Ends the session with a DISCONNECT. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#ended(stopped(this.#options.deviceId));
    await new Promise<void>((resolve) => {
      this.#transport.disconnect(() => resolve());
    });
    this.#connection.destroy();
  }

  /** Ends a session that still stands but no longer works. */
  abandon(reason: string): void {
    this.#lost(new Error(reason));
  }

  #answerMethod(name: string, handler: (payload: unknown) => Promise<MethodResponse>): void {
    this.#transport.onDeviceMethod(name, (request: MethodRequest) => {
      void this.#respond(request, handler);
    });
  }

  async #respond(request: MethodRequest, handler: (payload: unknown) => Promise<MethodResponse>): Promise<void> {
    let response: MethodResponse;
    try {
      const text = request.body.toString();
      response = await handler(text === '' ? undefined : JSON.parse(text));
    } catch (error) {
      response = { status: 500, payload: { error: textOf(error) } };
    }
    // The session may have ended while the handler ran; then the hub has answered the caller itself.
    if (!this.#isOpen) return;
    const answer = new iotDevice.DeviceMethodResponse(request.requestId, this.#transport);
    await answer.send(response.status, response.payload ?? null).catch(() => undefined);
  }

  /** Runs one of the transport's operations: it ends with an answer, with the connection, or with the time-out. */
  #call(operation: (done: Done) => void): Promise<unknown> {
    // Microsoft's transport would connect again by itself for it.
    if (this.#end) return Promise.reject(this.#end);
    const finished = new AbortController();
    return new Promise((resolve, reject) => {
      const settle = (error: unknown, result?: unknown): void => {
        if (finished.signal.aborted) return;
        finished.abort();
        this.#waiting.delete(settle);
        if (error) reject(error instanceof DeviceAgentError ? error : this.#toError(error));
        else resolve(result);
      };
      this.#waiting.add(settle);
      this.#options.clock.delay(answerTimeoutMs, finished.signal).then(
        () => settle(new Error(`no answer within ${answerTimeoutMs / 1000} s`)),
        () => undefined,
      );
      operation(settle);
    });
  }

  #lost(cause: unknown): void {
    this.#ended(this.#toError(cause ?? new Error('connection closed')));
    this.#connection.destroy();
  }

  #ended(error: DeviceAgentError): void {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#end ??= error;
    for (const fail of [...this.#waiting]) fail(error);
    if (wasOpen) this.#options.onClosed(error);
  }

  #toError(cause: unknown): DeviceAgentError {
    const { hostName, deviceId } = this.#options;
    return toHubError(this.#connection.failure(), cause, { hostName, deviceId });
  }
}

function stopped(deviceId: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_STOPPED', `The agent of ${deviceId} was stopped.`);
}

function toHubError(
  failure: ConnectionFailure | undefined,
  cause: unknown,
  { hostName, deviceId }: { hostName: string; deviceId: string },
): DeviceAgentError {
  // MQTT 3.1.1 section 3.2.2.3: 4 and 5 are about credentials; 3 is the server's own trouble.
  if (failure?.kind === 'refused' && (failure.returnCode === 4 || failure.returnCode === 5)) {
    return new DeviceAgentError(
      'ERR_AGENT_HUB_REFUSED',
      `${hostName} refused ${deviceId} (CONNACK ${failure.returnCode}): the device is unknown there, disabled, or registered with another certificate. Provision it again, or look it up in the hub's device list.`,
      { cause, azureCode: failure.returnCode },
    );
  }
  if (failure?.kind === 'untrusted-server') {
    return new DeviceAgentError(
      'ERR_AGENT_SERVER_UNTRUSTED',
      `${hostName} showed a certificate that is not trusted: ${failure.detail}. Trust its root, or look for a proxy that opens TLS.`,
      { cause },
    );
  }
  const detail = failure?.kind === 'network' ? failure.detail : textOf(cause);
  return new DeviceAgentError(
    'ERR_AGENT_HUB_UNREACHABLE',
    `No connection from ${deviceId} to ${hostName}: ${detail}. Check network, DNS and that port 8883 (MQTT) or 443 (WebSocket) is open.`,
    { cause },
  );
}
