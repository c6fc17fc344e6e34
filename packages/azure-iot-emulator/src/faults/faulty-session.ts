import type { MqttClient, MqttSession, OutboundDelivery } from '../mqtt/service.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import type { FaultRegistry, FaultSubject, Hit } from './fault-registry.ts';
import { dpsFailureBody } from './faulty-http.ts';

/** Options of {@link FaultySession}. */
export interface FaultySessionOptions {
  readonly faults: FaultRegistry;
  readonly subject: FaultSubject;
  readonly client: MqttClient;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly onClosed: () => void;
}

type Publish = Parameters<MqttSession['publish']>[0];

/** Requests that have an answer with a status, and where it goes. */
const requestTopics = [
  [/^\$dps\/registrations\/(?:PUT|GET)\/.*[?&]\$rid=([^&]*)/, '$dps/registrations/res/'],
  [/^\$iothub\/twin\/(?:GET|PATCH)\/.*[?&]\$rid=([^&]*)/, '$iothub/twin/res/'],
] as const;

/** A connection with a service behind it, on which things may go wrong. */
export class FaultySession implements MqttSession {
  readonly subject: FaultSubject;
  /** What the service gets to write to. */
  readonly client: MqttClient;
  readonly #options: FaultySessionOptions;
  readonly #faults: FaultRegistry;
  #session: MqttSession | undefined;
  /** Set by a fault that ends the connection: what was sent behind must not overtake what was lost. */
  #isOver = false;

  constructor(options: FaultySessionOptions) {
    this.#options = options;
    this.#faults = options.faults;
    this.subject = options.subject;
    const { client } = options;
    this.client = {
      publish: (topic, payload, qos, delivery) => this.#deliver({ topic, payload, qos, delivery }),
      freeze: () => client.freeze(),
      silence: () => client.silence(),
      close: (reason) => client.close(reason),
    };
  }

  attach(session: MqttSession): void {
    this.#session = session;
  }

  get sessionPresent(): boolean {
    return this.#session?.sessionPresent ?? false;
  }

  opened(): void {
    this.#session?.opened();
  }

  subscribe(topicFilter: string, qos: 0 | 1 | 2): ReturnType<MqttSession['subscribe']> {
    return this.#session?.subscribe(topicFilter, qos) ?? { refusal: 'there is no session' };
  }

  subscribed(topicFilter: string): void {
    this.#session?.subscribed(topicFilter);
  }

  unsubscribe(topicFilter: string): void {
    this.#session?.unsubscribe(topicFilter);
  }

  closed(graceful: boolean): void {
    this.#options.onClosed();
    this.#session?.closed(graceful);
  }

  publish(packet: Publish): Promise<void> | undefined {
    if (this.#isOver) throw new Error('the connection has ended by a fault on request');
    if (this.#faults.isQuiet) return this.#pass(packet);
    return this.#publishWithFaults(packet);
  }

  async #publishWithFaults(packet: Publish): Promise<void> {
    const { faults, startTimer } = this.#options;
    if (faults.meet(['drop'], this.subject)) throw this.#broken('drop');
    const late = faults.meet(['delay'], this.subject);
    if (late) await new Promise<void>((resolve) => startTimer(late.fault.delayMs, resolve));
    if (/\/messages\/events\//.test(packet.topic)) return this.#publishTelemetry(packet);
    const [answerTopic, rid] = answerOf(packet.topic);
    const failing = answerTopic === undefined ? undefined : faults.meet(['throttle', 'serverError'], this.subject);
    if (failing) return this.#refuse(failing, `${answerTopic}`, rid);
    return this.#pass(packet);
  }

  async #publishTelemetry(packet: Publish): Promise<void> {
    const { faults } = this.#options;
    if (faults.meet(['quotaExceeded'], this.subject)) throw this.#broken('quotaExceeded');
    const lost = faults.meet(['messageLost'], this.subject, ({ message }) => message === 'telemetry');
    if (lost?.fault.loss === 'afterAcknowledgement') return;
    const broken = lost && this.#broken(`telemetry lost, ${lost.fault.loss}`);
    if (lost?.fault.loss !== 'beforeAcknowledgement') await this.#pass(packet);
    if (broken) throw broken;
  }

  #broken(by: string): Error {
    this.#isOver = true;
    return new Error(`fault on request: ${by}`);
  }

  async #refuse({ fault }: Hit<'throttle' | 'serverError'>, topic: string, rid: string): Promise<void> {
    const status = fault.kind === 'throttle' ? 429 : (fault.status ?? 500);
    const wait = fault.retryAfterSeconds ?? (fault.kind === 'throttle' ? 5 : undefined);
    const isDps = topic.startsWith('$dps');
    const body = dpsFailureBody(status, 'Operation was refused on request.', this.#options.now());
    const tail = isDps && wait !== undefined ? `&retry-after=${wait}` : '';
    const payload = Buffer.from(JSON.stringify(isDps ? body : { errorCode: status, message: 'Refused on request.' }));
    // The answer follows the acknowledgement, as an answer of the service would.
    queueMicrotask(() => {
      this.#options.client.publish(`${topic}${status}/?$rid=${rid}${tail}`, payload, 0).catch(() => undefined);
    });
    return Promise.resolve();
  }

  #pass(packet: Publish): Promise<void> | undefined {
    if (!this.#session) throw new Error('there is no session');
    return this.#session.publish(packet);
  }

  #deliver({ topic, payload, qos, delivery }: Outgoing): Promise<void> {
    const { client, faults } = this.#options;
    const lost = /\/messages\/devicebound\//.test(topic)
      ? faults.meet(['messageLost'], this.subject, ({ message }) => message === 'cloudToDevice')
      : undefined;
    if (lost?.fault.loss === 'afterAcknowledgement') return Promise.resolve();
    if (lost?.fault.loss !== 'beforeAcknowledgement') {
      const acknowledged = client.publish(topic, payload, qos, delivery);
      if (!lost) return acknowledged;
      acknowledged.catch(() => undefined);
    }
    // Never acknowledged: the hub sends it again when its lock has run out or the device comes back.
    return new Promise(() => undefined);
  }
}

interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1;
  readonly delivery: OutboundDelivery | undefined;
}

function answerOf(topic: string): [topic: string | undefined, requestId: string] {
  for (const [pattern, answerTopic] of requestTopics) {
    const rid = pattern.exec(topic)?.[1];
    if (rid !== undefined) return [answerTopic, rid];
  }
  return [undefined, ''];
}
