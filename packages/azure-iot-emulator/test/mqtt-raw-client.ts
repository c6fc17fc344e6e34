import { once } from 'node:events';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Duplex } from 'node:stream';
import { generate, parser, type IConnectPacket, type Packet, type PacketCmd } from 'mqtt-packet';

/** An MQTT client that sends exactly what a test tells it to. */
export class RawClient {
  readonly stream: Duplex;
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>;
  readonly #received: Packet[] = [];
  #wake: () => void = () => undefined;
  #isEnded = false;

  constructor(stream: Duplex) {
    this.stream = stream;
    const packets = parser();
    packets.on('packet', (packet) => {
      this.#received.push(packet);
      this.#wake();
    });
    stream.on('data', (chunk: Buffer) => packets.parse(chunk));
    stream.on('error', () => undefined);
    // A WebSocket's stream doesn't close by itself.
    stream.on('end', () => stream.destroy());
    this.ended = new Promise<void>((resolve) => {
      stream.on('close', () => {
        this.#isEnded = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async overTls(options: ConnectionOptions): Promise<RawClient> {
    const socket = connectTls({ host: '127.0.0.1', ...options });
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  }

  send(packet: Packet): void {
    this.stream.write(generate(packet));
  }

  /** The next packet of that kind; packets of other kinds before it stay for later calls. */
  async next<T extends PacketCmd>(cmd: T): Promise<Extract<Packet, { cmd: T }>> {
    for (;;) {
      const index = this.#received.findIndex((packet) => packet.cmd === cmd);
      if (index >= 0) return this.#received.splice(index, 1)[0] as Extract<Packet, { cmd: T }>;
      if (this.#isEnded) throw new Error(`the connection ended before a ${cmd} came`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Packets that no call of {@link next} has taken. */
  get unread(): readonly Packet[] {
    return this.#received;
  }

  /** Sends CONNECT and gives the CONNACK. */
  connect(packet: Omit<IConnectPacket, 'cmd'>): Promise<Extract<Packet, { cmd: 'connack' }>> {
    this.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60, ...packet });
    return this.next('connack');
  }

  async subscribe(topic: string, qos: 0 | 1 | 2 = 1, messageId = 1): Promise<number> {
    this.send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] });
    const { granted } = await this.next('suback');
    return granted[0] as number;
  }

  /** Publishes with QoS 1 and waits for the acknowledgement. */
  async publish(topic: string, payload: string | Buffer, messageId = 1): Promise<void> {
    this.send({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId });
    await this.next('puback');
  }

  /** A round trip: everything that the server sent in answer to earlier packets is here afterwards. */
  async ping(): Promise<void> {
    this.send({ cmd: 'pingreq' });
    await this.next('pingresp');
  }

  destroy(): void {
    this.stream.destroy();
  }
}
