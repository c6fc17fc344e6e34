import type { Duplex } from 'node:stream';
import { generate, parser as createParser, type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';
import type { Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import { ConnectionError } from '../network/connection-error.ts';
import { answerTimeoutMs, timedOut } from './answer-timeout.ts';

/** The server's answer to CONNECT was no. */
export class ConnectRefusedError extends Error {
  override readonly name = 'ConnectRefusedError';
  /** 1 to 5, MQTT 3.1.1 section 3.2.2.3. */
  readonly returnCode: number;

  constructor(returnCode: number) {
    super(`CONNACK return code ${returnCode}`);
    this.returnCode = returnCode;
  }
}

/** A message from the server; call `acknowledge` when it may forget it (QoS 1), on this connection or not at all. */
export interface InboundPublish {
  readonly topic: string;
  readonly payload: Buffer;
  /** MQTT packet identifier; 0 for QoS 0. */
  readonly packetId: number;
  /** DUP: the server has tried to send this before. */
  readonly isRedelivery: boolean;
  readonly acknowledge: () => void;
}

export interface MqttConnectionOptions {
  readonly stream: Duplex;
  readonly clientId: string;
  readonly username: string;
  /** False keeps subscriptions and queued messages at the server for the next connection. */
  readonly cleanSession: boolean;
  readonly keepAliveSeconds: number;
  readonly clock: Clock;
  readonly onPublish: (publish: InboundPublish) => void;
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  readonly answer: Packet['cmd'];
  readonly sentAt: number;
  /** Bytes of the request. */
  readonly size: number;
  readonly resolve: (packet: Packet) => void;
  readonly reject: (error: Error) => void;
}

/** What is sent last, in milliseconds, DISCONNECT above all: a stream that doesn't take it by then takes nothing any more. */
const goodbyeMs = 1_000;

/** So slow a link still carries what is sent, in bytes for each millisecond; what a hub takes at most needs two minutes then. */
const slowestLink = 2;

/** Where CONNECT and PINGREQ wait, which have no packet identifier. */
const withoutId = 0;

/**
 * One MQTT 3.1.1 connection as a client, from CONNECT to its end. It never connects again.
 *
 * An end that nobody says is found too: a server that is silent for half the keep-alive time is asked (PINGREQ), and one that
 * leaves anything unanswered for 30 seconds is given up. These begin when what was sent before is answered, and large
 * requests have more, by their size: a slow link is no dead one.
 */
export class MqttConnection {
  /** Resolves with the reason when the connection is over. */
  readonly ended: Promise<Error>;
  readonly #options: MqttConnectionOptions;
  readonly #stream: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  readonly #stopWatching = new AbortController();
  #lastId = 0;
  #heardAt: number;
  /** When all that was sent before the oldest request that waits had been answered: until then the link was busy with that. */
  #oldestSince = 0;
  #isCorked = false;
  #end: Error | undefined;
  #onEnd: (reason: Error) => void = () => undefined;

  private constructor(options: MqttConnectionOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.#heardAt = this.#now();
    this.ended = new Promise((resolve) => {
      this.#onEnd = resolve;
    });
    const parser = createParser({ protocolVersion: 4 });
    parser.on('packet', (packet) => this.#receive(packet));
    parser.on('error', (error: Error) => this.#finish(closed(`the server's answer is not MQTT: ${error.message}`)));
    const stream = options.stream;
    stream.on('data', (chunk: Buffer) => {
      this.#heardAt = this.#now();
      parser.parse(chunk);
    });
    stream.on('error', (error: Error) => this.#finish(closed(error.message, error)));
    stream.on('close', () => this.#finish(closed('the server closed the connection')));
  }

  /**
   * Sends CONNECT and waits for CONNACK. The stream is destroyed where that fails.
   *
   * @throws {ConnectRefusedError} @throws {ConnectionError} of kind `closed` or `timeout`
   */
  static async open(options: MqttConnectionOptions): Promise<MqttConnection> {
    if (options.stream.destroyed) throw closed('the server closed the connection');
    const connection = new MqttConnection(options);
    const { signal } = options;
    const stop = (): void => connection.destroy();
    signal?.addEventListener('abort', stop, { once: true });
    void connection.#watch();
    try {
      signal?.throwIfAborted();
      const answer = await connection.#request(withoutId, connectPacket(options), 'connack');
      const returnCode = answer.cmd === 'connack' ? (answer.returnCode ?? 0) : 0;
      if (returnCode !== 0) throw new ConnectRefusedError(returnCode);
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Resolves with the server's PUBACK (QoS 1), or at once (QoS 0). */
  async publish(topic: string, payload: string | Buffer, qos: 0 | 1): Promise<void> {
    const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false } as const;
    if (qos === 0) {
      if (this.#end) throw this.#end;
      this.#send(packet);
      return;
    }
    const messageId = this.#freeId();
    await this.#request(messageId, { ...packet, messageId }, 'puback');
  }

  /** All filters in one packet; the server has them when this resolves. */
  async subscribe(filters: readonly { readonly topic: string; readonly qos: 0 | 1 }[]): Promise<void> {
    const messageId = this.#freeId();
    const answer = await this.#request(
      messageId,
      { cmd: 'subscribe', messageId, subscriptions: [...filters] },
      'suback',
    );
    const granted = answer.cmd === 'suback' ? answer.granted : [];
    const refused = filters.filter((_, index) => granted[index] === 0x80).map(({ topic }) => topic);
    if (refused.length > 0) throw closed(`the server refused to subscribe ${refused.join(', ')}`);
  }

  /** Says goodbye, after all that was sent before, and ends: within a second, whatever the stream does. */
  async disconnect(): Promise<void> {
    if (!this.#end) {
      this.#send({ cmd: 'disconnect' });
      const reason = closed('disconnected');
      this.#stop(reason);
      await this.#flush();
      this.#stream.destroy();
      this.#onEnd(reason);
    }
    await this.ended;
  }

  /** Ends the connection without ceremony. */
  destroy(reason: Error = closed('the connection was given up')): void {
    this.#finish(reason);
  }

  #receive(packet: Packet): void {
    if (this.#end) return;
    switch (packet.cmd) {
      case 'publish':
        this.#take(packet);
        return;
      case 'puback':
      case 'suback':
        this.#answer(packet.messageId ?? withoutId, packet);
        return;
      case 'connack':
      case 'pingresp':
        this.#answer(withoutId, packet);
        return;
      default:
        this.#finish(closed(`the server sent ${packet.cmd}, which is a client's to send`));
    }
  }

  #take({ topic, payload, qos, messageId, dup }: IPublishPacket): void {
    let isOpen = qos === 1 && messageId !== undefined;
    const acknowledge = (): void => {
      if (!isOpen || this.#end) return;
      isOpen = false;
      this.#send({ cmd: 'puback', messageId: messageId ?? withoutId });
    };
    try {
      this.#options.onPublish({
        topic,
        payload: payload as Buffer,
        packetId: messageId ?? withoutId,
        isRedelivery: dup,
        acknowledge,
      });
    } catch (cause) {
      // A message that could not be taken must come again: only a new connection brings it.
      this.#finish(
        cause instanceof DeviceAgentError ? cause : closed('a message from the server could not be taken', cause),
      );
    }
  }

  #answer(id: number, packet: Packet): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.answer !== packet.cmd) return;
    const [oldest] = this.#waiting.keys();
    if (oldest === id) this.#oldestSince = this.#now();
    this.#waiting.delete(id);
    waiting.resolve(packet);
  }

  #request(id: number, packet: Packet, answer: Packet['cmd']): Promise<Packet> {
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { answer, sentAt: this.#now(), size: this.#send(packet), resolve, reject });
    });
  }

  /**
   * What is sent in one turn leaves in one write.
   *
   * @returns bytes
   */
  #send(packet: Packet): number {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#stream.uncork();
      });
    }
    const bytes = generate(packet);
    this.#stream.write(bytes);
    return bytes.length;
  }

  async #watch(): Promise<void> {
    const { clock, keepAliveSeconds } = this.#options;
    const silenceMs = (keepAliveSeconds * 1000) / 2;
    const tickMs = Math.min(silenceMs, answerTimeoutMs) / 2;
    try {
      for (;;) {
        await clock.delay(tickMs, this.#stopWatching.signal);
        const now = this.#now();
        const [oldest] = this.#waiting.values();
        if (oldest && now >= this.#dueAt(oldest)) {
          this.#finish(timedOut(oldest.answer.toUpperCase()));
        } else if (!this.#waiting.has(withoutId) && now - this.#heardAt >= silenceMs - tickMs) {
          this.#request(withoutId, { cmd: 'pingreq' }, 'pingresp').catch(() => undefined);
        }
      }
    } catch {
      // The connection has ended.
    }
  }

  #dueAt({ sentAt, size }: Waiting): number {
    return Math.max(sentAt, this.#oldestSince) + answerTimeoutMs + size / slowestLink;
  }

  #finish(reason: Error): void {
    if (this.#end) return;
    this.#stop(reason);
    this.#stream.destroy();
    this.#onEnd(reason);
  }

  /** Nothing is sent, taken or waited for any more. */
  #stop(reason: Error): void {
    this.#end = reason;
    this.#stopWatching.abort();
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  async #flush(): Promise<void> {
    const flushed = new AbortController();
    const isFlushed = new Promise<void>((resolve) => {
      this.#stream.end(resolve);
      this.#stream.once('close', resolve);
    });
    await Promise.race([isFlushed, this.#options.clock.delay(goodbyeMs, flushed.signal).catch(() => undefined)]);
    flushed.abort();
  }

  /** Packet identifiers count up and leave out those that wait for an answer (MQTT 3.1.1 section 2.3.1). */
  #freeId(): number {
    do {
      this.#lastId = (this.#lastId % 65_535) + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

function connectPacket({ clientId, username, cleanSession, keepAliveSeconds }: MqttConnectionOptions): IConnectPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: cleanSession,
    clientId,
    username,
    keepalive: keepAliveSeconds,
  };
}

/** A connection that has ended, in words. */
export function closed(detail: string, cause?: unknown): ConnectionError {
  const advice = 'The next connection is tried by itself; where this goes on, look at the network on the way.';
  return new ConnectionError('closed', { detail, advice, ...(cause !== undefined && { cause }) });
}
