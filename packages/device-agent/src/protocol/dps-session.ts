import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import * as topics from './dps-topics.ts';
import { MqttConnection, type InboundPublish } from './mqtt-connection.ts';
import { OpenQuestions } from './open-questions.ts';

/** What DPS says to a registration or about its state; error envelope and registration state in one. */
export interface DpsBody {
  readonly operationId?: string;
  readonly status?: string;
  readonly errorCode?: number;
  readonly message?: string;
  readonly trackingId?: string;
  readonly registrationState?: {
    readonly deviceId?: string;
    readonly assignedHub?: string;
    readonly status?: string;
    readonly substatus?: string;
    readonly payload?: unknown;
    readonly errorCode?: number;
    readonly errorMessage?: string;
  };
}

export interface DpsAnswer {
  /** HTTP-like: 200 and 202, or what went wrong. */
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly body: DpsBody;
}

export interface DpsSessionOptions {
  readonly stream: Duplex;
  readonly idScope: string;
  readonly registrationId: string;
  /** Default: the one of all devices. */
  readonly apiVersion?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** DPS's device API version for MQTT. */
const usualApiVersion = '2019-03-31';

/** Registrations take seconds; nobody keeps a DPS connection. */
const keepAliveSeconds = 60;

/** One connection to DPS: asks, and waits for the answer to what it asked. */
export class DpsSession {
  readonly #connection: MqttConnection;
  readonly #questions: OpenQuestions<DpsAnswer>;
  #lastRequestId = 0;

  private constructor(connection: MqttConnection, questions: OpenQuestions<DpsAnswer>) {
    this.#connection = connection;
    this.#questions = questions;
  }

  /** @throws what {@link MqttConnection.open} throws */
  static async open(options: DpsSessionOptions): Promise<DpsSession> {
    const { stream, idScope, registrationId, apiVersion = usualApiVersion, clock, signal } = options;
    const questions = new OpenQuestions<DpsAnswer>(clock);
    const connection = await MqttConnection.open({
      stream,
      clientId: registrationId,
      username: `${idScope}/registrations/${registrationId}/api-version=${apiVersion}`,
      cleanSession: true,
      keepAliveSeconds,
      clock,
      signal,
      onPublish: (publish) => take(publish, questions),
    });
    const stop = (): void => connection.destroy();
    signal?.addEventListener('abort', stop, { once: true });
    void connection.ended.then((reason) => {
      signal?.removeEventListener('abort', stop);
      questions.end(reason);
    });
    await connection.subscribe([{ topic: topics.registrationAnswers, qos: 1 }]);
    return new DpsSession(connection, questions);
  }

  /** @param more - further members of the request, such as `payload` for a custom allocation webhook */
  register(registrationId: string, more: Readonly<Record<string, unknown>>): Promise<DpsAnswer> {
    return this.#ask(topics.register, JSON.stringify({ registrationId, ...more }));
  }

  operationStatus(operationId: string): Promise<DpsAnswer> {
    return this.#ask((requestId) => topics.operationStatus(requestId, operationId), '');
  }

  close(): void {
    void this.#connection.disconnect();
  }

  #ask(topicOf: (requestId: string) => string, body: string): Promise<DpsAnswer> {
    this.#lastRequestId += 1;
    const requestId = String(this.#lastRequestId);
    const send = (): Promise<void> => this.#connection.publish(topicOf(requestId), body, 1);
    return this.#questions.ask(requestId, 'answer to the registration', send);
  }
}

function take({ topic, payload, acknowledge }: InboundPublish, questions: OpenQuestions<DpsAnswer>): void {
  acknowledge();
  const about = topics.readAnswerTopic(topic);
  if (!about) return;
  const { status, requestId, retryAfterMs } = about;
  questions.answer(requestId, { status, retryAfterMs, body: readBody(payload.toString()) });
}

/** An answer without a readable body still says something by its status. */
function readBody(text: string): DpsBody {
  try {
    return text === '' ? {} : (JSON.parse(text) as DpsBody);
  } catch {
    return { message: text.slice(0, 200) };
  }
}
