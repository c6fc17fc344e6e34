import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { DeviceAgentError, stopped } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import type { InboxArrival } from '../messages/inbox.ts';
import type { MethodAnswer } from '../methods/methods.ts';
import type { HubLink } from '../renewal/azure-access.ts';
import type { StoredMessage } from '../telemetry/telemetry-message.ts';
import type { JsonObject } from '../twin/merge-patch.ts';
import { hubError, refusedByTwin } from './hub-error.ts';
import * as topics from './hub-topics.ts';
import { closed, MqttConnection, type InboundPublish } from './mqtt-connection.ts';
import { OpenQuestions } from './open-questions.ts';

/** A hub, and the name that it knows the device by. */
export interface HubAddress {
  /** Host name, with a port where it isn't the usual one. */
  readonly hostName: string;
  readonly deviceId: string;
}

/** Whom a session tells, and what it needs. */
export interface HubSessionOptions {
  readonly identity: DeviceIdentity;
  readonly address: HubAddress;
  /** Opens the stream that MQTT is spoken on. */
  readonly openStream: (host: string, signal: AbortSignal) => Promise<Duplex>;
  readonly clock: Clock;
  readonly keepAliveSeconds: number;
  /** Default: the one of all devices. */
  readonly apiVersion?: string | undefined;
  /** Takes a cloud-to-device message; what it throws ends the connection, so that the message comes again. */
  readonly onMessage: (arrival: InboxArrival) => void;
  readonly onMethod: (name: string, body: Buffer, signal: AbortSignal) => Promise<MethodAnswer>;
  readonly onDesiredPatch: (patch: JsonObject) => void;
}

/** Azure's API version for device-facing MQTT (Azure documents, "Communicate with an IoT hub using the MQTT protocol"). */
const usualApiVersion = '2021-04-12';

interface TwinAnswer {
  readonly status: number;
  readonly version: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly body: string;
}

/** One connection of one device to one hub. It never reconnects: whoever opened it opens the next. */
export class HubSession implements HubLink {
  /** Resolves with the reason when the session is over. */
  readonly ended: Promise<DeviceAgentError>;
  readonly #options: HubSessionOptions;
  readonly #connection: MqttConnection;
  readonly #over = new AbortController();
  /** By how their topics begin. */
  readonly #listeners = new Map<string, (topic: string, payload: Buffer) => void>();
  readonly #twinRequests: OpenQuestions<TwinAnswer>;

  private constructor(options: HubSessionOptions, connection: MqttConnection) {
    this.#options = options;
    this.#connection = connection;
    this.#twinRequests = new OpenQuestions(options.clock);
    this.ended = connection.ended.then((reason) => this.#finish(reason));
  }

  /**
   * Connects; the session can send from here on, and hears of what the hub kept for it.
   *
   * @throws {DeviceAgentError} ERR_AGENT_HUB_REFUSED, ERR_AGENT_HUB_BUSY, ERR_AGENT_HUB_UNREACHABLE,
   *   ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_STOPPED
   */
  static async open(options: HubSessionOptions, signal: AbortSignal): Promise<HubSession> {
    const { identity, address, clock, keepAliveSeconds, apiVersion = usualApiVersion } = options;
    const { hostName, deviceId } = address;
    // The hub may hand over what it kept before this function is through.
    const early: InboundPublish[] = [];
    let deliver = (publish: InboundPublish): void => void early.push(publish);
    try {
      const stream = await options.openStream(hostName, signal);
      const connection = await MqttConnection.open({
        stream,
        clientId: deviceId,
        username: `${hostName}/${deviceId}/?api-version=${apiVersion}`,
        cleanSession: false,
        keepAliveSeconds,
        clock,
        signal,
        onPublish: (publish) => deliver(publish),
      });
      const session = new HubSession(options, connection);
      deliver = (publish) => session.#take(publish);
      for (const publish of early) session.#take(publish);
      return session;
    } catch (cause) {
      if (signal.aborted) throw stopped(`The agent of ${deviceId}`);
      throw hubError(cause, { identity, address });
    }
  }

  /** Asks for cloud-to-device messages, direct methods, twin answers and desired properties. */
  async subscribe(): Promise<void> {
    await this.#call(this.#connection.subscribe(topics.everySubscription(this.#options.address.deviceId)));
  }

  get deviceId(): string {
    return this.#options.address.deviceId;
  }

  async listen(filter: string, onMessage: (topic: string, payload: Buffer) => void): Promise<() => void> {
    const beginning = filter.replace(/#$/, '');
    this.#listeners.set(beginning, onMessage);
    const stop = (): void => void this.#listeners.delete(beginning);
    await this.#call(this.#connection.subscribe([{ topic: filter, qos: 1 }])).catch((error: unknown) => {
      stop();
      throw error;
    });
    return stop;
  }

  async publish(topic: string, payload: string): Promise<void> {
    await this.#call(this.#connection.publish(topic, payload, 1));
  }

  /** Resolves when the hub has acknowledged the message (PUBACK). */
  async send(message: StoredMessage): Promise<void> {
    const topic = topics.telemetryTopic(this.#options.address.deviceId, message);
    await this.#call(this.#connection.publish(topic, message.body, 1));
  }

  /** Desired and reported properties as the hub has them now. Subscribe first, then ask: the hub replays nothing. */
  async getTwin(): Promise<{ desired: JsonObject; reported: JsonObject }> {
    const { status, body, retryAfterMs } = await this.#askTwin(topics.twinGet, '');
    if (status !== 200) throw refusedByTwin('the twin could not be read', { status, body, retryAfterMs });
    return JSON.parse(body) as { desired: JsonObject; reported: JsonObject };
  }

  /**
   * Resolves with the new `$version` of the reported properties.
   *
   * @throws {DeviceAgentError} ERR_AGENT_TWIN: the hub refused the patch. ERR_AGENT_HUB_BUSY: it has no time for it
   *   (`retryAfterMs`). ERR_AGENT_HUB_UNREACHABLE: no answer
   */
  async report(patch: JsonObject): Promise<number> {
    const { status, version = 0, body, retryAfterMs } = await this.#askTwin(topics.twinReport, JSON.stringify(patch));
    if (status === 204 || status === 200) return version;
    const names = Object.keys(patch).join(', ');
    throw refusedByTwin(`the hub refused reported properties ${names}`, { status, body, retryAfterMs });
  }

  /** Ends the session with a DISCONNECT, after everything that was sent before. */
  async close(): Promise<void> {
    await this.#connection.disconnect();
    await this.ended;
  }

  /** Ends a session that still stands but no longer works; an error is what it then has ended with. */
  abandon(reason: string | DeviceAgentError): void {
    this.#connection.destroy(typeof reason === 'string' ? closed(reason) : reason);
  }

  #take({ topic, payload, packetId, isRedelivery, acknowledge }: InboundPublish): void {
    for (const [beginning, tell] of this.#listeners) if (topic.startsWith(beginning)) tell(topic, payload);
    const what = topics.readTopic(topic);
    switch (what?.kind) {
      case 'message':
        this.#options.onMessage({ topic, body: payload, packetId, isRedelivery, acknowledge });
        return;
      case 'desired':
        this.#options.onDesiredPatch(JSON.parse(payload.toString()) as JsonObject);
        break;
      case 'method':
        void this.#answerMethod(what, payload);
        break;
      case 'twin-answer':
        this.#twinRequests.answer(what.requestId, { ...what, body: payload.toString() });
        break;
      case undefined:
    }
    acknowledge();
  }

  async #answerMethod({ name, requestId }: { name: string; requestId: string }, body: Buffer): Promise<void> {
    try {
      const { status, payload } = await this.#options.onMethod(name, body, this.#over.signal);
      await this.#connection.publish(topics.methodAnswer(status, requestId), payload, 0);
    } catch {
      // The session has ended while the handler ran: the hub has answered the caller itself.
    }
  }

  #askTwin(topicOf: (requestId: string) => string, body: string): Promise<TwinAnswer> {
    const requestId = randomUUID();
    const send = (): Promise<void> => this.#connection.publish(topicOf(requestId), body, 0);
    return this.#call(this.#twinRequests.ask(requestId, 'answer about the twin', send));
  }

  async #call<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (cause) {
      throw this.#toError(cause);
    }
  }

  #finish(reason: Error): DeviceAgentError {
    const error = this.#toError(reason);
    this.#over.abort(error);
    this.#twinRequests.end(error);
    return error;
  }

  #toError(cause: unknown): DeviceAgentError {
    if (cause instanceof DeviceAgentError) return cause;
    const { identity, address } = this.#options;
    return hubError(cause, { identity, address });
  }
}
