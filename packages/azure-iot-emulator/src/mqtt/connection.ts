import type { Duplex } from 'node:stream';
import {
  generate,
  type IConnectPacket,
  type ISubscribePacket,
  type IUnsubscribePacket,
  type Packet,
} from 'mqtt-packet';
import { InboundPublishes } from './inbound-publishes.ts';
import { KeepAlive } from './keep-alive.ts';
import { OutboundPublishes } from './outbound-publishes.ts';
import { Outgoing } from './outgoing.ts';
import { PacketReader } from './packet-reader.ts';
import type { PacketTrace, StartPacketTrace } from './packet-trace.ts';
import type { ConnectRefusal, MqttClient, MqttConnect, MqttService, MqttSession, OutboundDelivery } from './service.ts';
import type { StartTimer } from './timer.ts';

/** Options of {@link serveMqtt}. */
export interface ServeMqttOptions {
  readonly stream: Duplex;
  readonly presentedChain: readonly Uint8Array[];
  readonly mqttServices: readonly MqttService[];
  readonly log: (line: string) => void;
  readonly now: () => number;
  readonly startTimer: StartTimer;
  /** What everything sent waits for: undefined where all that it may tell of is on the disk. Default: nothing. */
  readonly committed?: (() => Promise<void> | undefined) | undefined;
  /** Default: packets go by unseen. */
  readonly trace?: StartPacketTrace | undefined;
}

/** From the connection's beginning to an accepted CONNECT. */
const connectTimeoutMs = 30_000;

/** Packets that may wait for CONNACK; MQTT 3.1.1 section 3.1.4 lets clients send them early. */
const mostEarlyPackets = 100;

/** Speaks MQTT 3.1.1 with one client until its stream ends; the session behind it comes from the service it names. */
export function serveMqtt(options: ServeMqttOptions): void {
  new MqttConnection(options).start();
}

type State = 'new' | 'connecting' | 'open' | 'closed';

class MqttConnection implements MqttClient {
  readonly #options: Omit<ServeMqttOptions, 'presentedChain'>;
  /** Until the service has it. */
  #presentedChain: readonly Uint8Array[];
  readonly #stream: Duplex;
  readonly #reader: PacketReader;
  readonly #inbound: InboundPublishes;
  readonly #outbound = new OutboundPublishes();
  readonly #outgoing: Outgoing;
  readonly #trace: PacketTrace | undefined;
  readonly #stopConnectTimer: () => void;
  #state: State = 'new';
  #clientId = '';
  #session: MqttSession | undefined;
  #keepAlive: KeepAlive | undefined;
  #early: Packet[] = [];
  #isFrozen = false;
  #isSilent = false;

  constructor({ presentedChain, ...options }: ServeMqttOptions) {
    this.#options = options;
    this.#presentedChain = presentedChain;
    this.#stream = options.stream;
    this.#trace = options.trace?.();
    this.#reader = new PacketReader({
      onPacket: (packet) => this.#receive(packet),
      onFailure: (reason) => this.close(reason),
    });
    this.#inbound = new InboundPublishes({
      acknowledge: (messageId) => this.#acknowledge(messageId),
      onFailure: (reason) => this.close(reason),
      onChanged: () => this.#regulate(),
    });
    this.#outgoing = new Outgoing({
      stream: options.stream,
      committed: options.committed,
      onFailure: (reason) => this.close(reason),
      onWritten: () => this.#regulate(),
    });
    this.#stopConnectTimer = options.startTimer(connectTimeoutMs, () =>
      this.close(`no CONNECT was accepted within ${connectTimeoutMs / 1000} s`),
    );
  }

  start(): void {
    this.#stream.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#stream.on('drain', () => this.#regulate());
    this.#stream.on('end', () => this.#end(false, 'the client went away'));
    this.#stream.on('error', (error: Error) => this.#end(false, error.message));
    this.#stream.on('close', () => this.#end(false, 'the connection was lost'));
  }

  publish(topic: string, payload: Uint8Array, qos: 0 | 1, delivery?: OutboundDelivery): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(new Error('the connection has ended'));
    const dup = delivery?.isRedelivery === true && qos === 1;
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, dup, retain: false } as const;
    if (qos === 0) {
      this.#send(packet);
      return Promise.resolve();
    }
    const { messageId, acknowledged } = this.#outbound.add(delivery?.packetId);
    this.#send({ ...packet, messageId });
    return acknowledged;
  }

  freeze(): () => void {
    this.#isFrozen = true;
    this.#stream.cork();
    this.#stream.pause();
    return () => {
      this.#isFrozen = false;
      this.#stream.uncork();
      this.#keepAlive?.heard();
      this.#regulate();
    };
  }

  silence(): () => void {
    this.#isSilent = true;
    return () => this.#stream.destroy();
  }

  close(reason: string): void {
    this.#end(false, reason);
  }

  #read(chunk: Buffer): void {
    if (this.#state === 'closed' || this.#isSilent) return;
    this.#keepAlive?.heard();
    this.#outgoing.cork();
    try {
      this.#reader.read(chunk);
    } catch (error) {
      // Whatever a client sends is its own affair: it must not take the process down.
      this.close(`packet that can't be worked on: ${messageOf(error)}`);
    }
    this.#outgoing.uncork();
  }

  #receive(packet: Packet): void {
    this.#trace?.received(packet);
    this.#work(packet);
  }

  #work(packet: Packet): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'new') {
      if (packet.cmd === 'connect') void this.#connect(packet);
      else this.close(`protocol error: ${packet.cmd} before CONNECT`);
      return;
    }
    if (this.#session && this.#state === 'open') {
      this.#dispatch(packet, this.#session);
      return;
    }
    this.#early.push(packet);
    if (this.#early.length > mostEarlyPackets) this.close('too many packets before CONNACK');
    else this.#regulate();
  }

  #dispatch(packet: Packet, session: MqttSession): void {
    switch (packet.cmd) {
      case 'publish':
        this.#inbound.take(packet, session);
        return;
      case 'puback':
        this.#outbound.acknowledge(packet.messageId ?? 0);
        return;
      case 'subscribe':
        this.#subscribe(packet, session);
        return;
      case 'unsubscribe':
        this.#unsubscribe(packet, session);
        return;
      case 'pingreq':
        this.#send({ cmd: 'pingresp' });
        return;
      case 'disconnect':
        this.#end(true, 'DISCONNECT');
        return;
      default:
        // Among them a second CONNECT [MQTT-3.1.0-2] and every packet that only a server or QoS 2 uses.
        this.close(`protocol error: unexpected ${packet.cmd}`);
    }
  }

  async #connect(packet: IConnectPacket): Promise<void> {
    this.#state = 'connecting';
    this.#clientId = packet.clientId;
    const username = packet.username ?? '';
    if (packet.protocolVersion !== 4) {
      this.#refuse(1, `MQTT 3.1.1 (level 4) expected, level ${packet.protocolVersion ?? 'unknown'} found`);
      return;
    }
    const service = this.#options.mqttServices.find((candidate) => candidate.accepts(username));
    if (!service) {
      this.#refuse(5, `no service behind the user name '${username}'`);
      return;
    }
    try {
      const connect = connectOf(packet, this.#presentedChain);
      this.#presentedChain = [];
      const answer = await service.connect(connect, this);
      if ('refusal' in answer) this.#refuse(answer.refusal, answer.reason);
      else this.#open(answer, packet);
    } catch (error) {
      this.#refuse(3, `the service failed: ${messageOf(error)}`);
    }
  }

  #open(session: MqttSession, packet: IConnectPacket): void {
    if (this.#isClosed()) {
      session.closed(false);
      return;
    }
    const { now, startTimer } = this.#options;
    this.#stopConnectTimer();
    this.#session = session;
    this.#state = 'open';
    this.#keepAlive = new KeepAlive({
      keepAliveSeconds: packet.keepalive ?? 0,
      now,
      startTimer,
      onSilence: (silentMs) => this.close(`keep-alive: nothing heard for ${Math.round(silentMs / 1000)} s`),
    });
    this.#send({ cmd: 'connack', returnCode: 0, sessionPresent: session.sessionPresent });
    session.opened();
    const early = this.#early;
    this.#early = [];
    for (const waiting of early) this.#work(waiting);
    this.#regulate();
  }

  #refuse(returnCode: ConnectRefusal, reason: string): void {
    if (this.#isClosed()) return;
    this.#state = 'closed';
    this.#stopConnectTimer();
    this.#reader.stop();
    this.#options.log(`MQTT ${this.#clientId}: refused with ${returnCode}: ${reason}`);
    const connack = { cmd: 'connack', returnCode, sessionPresent: false } as const;
    this.#trace?.sent(connack, reason);
    this.#stream.end(generate(connack), () => this.#stream.destroy());
  }

  #acknowledge(messageId: number): void {
    if (this.#isClosed()) return;
    this.#trace?.sent({ cmd: 'puback', messageId });
    this.#outgoing.acknowledge(messageId);
  }

  #subscribe(packet: ISubscribePacket, session: MqttSession): void {
    if (packet.subscriptions.length === 0) {
      this.close('protocol error: SUBSCRIBE without a topic filter [MQTT-3.8.3-3]');
      return;
    }
    const answers = packet.subscriptions.map(({ topic, qos }) => ({ topic, answer: session.subscribe(topic, qos) }));
    const granted = answers.map(({ answer }) => (typeof answer === 'number' ? answer : 0x80));
    const why = answers.flatMap(({ topic, answer }) =>
      typeof answer === 'number' ? [] : [`${topic}: ${answer.refusal}`],
    );
    this.#send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted }, why.join('; '));
    for (const { topic, answer } of answers) {
      if (typeof answer === 'number') session.subscribed(topic);
    }
  }

  #unsubscribe(packet: IUnsubscribePacket, session: MqttSession): void {
    if (packet.unsubscriptions.length === 0) {
      this.close('protocol error: UNSUBSCRIBE without a topic filter [MQTT-3.10.3-2]');
      return;
    }
    for (const topicFilter of packet.unsubscriptions) session.unsubscribe(topicFilter);
    this.#send({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] });
  }

  #send(packet: Packet, why?: string): void {
    if (this.#isClosed()) return;
    this.#trace?.sent(packet, why);
    this.#outgoing.send(packet);
  }

  #regulate(): void {
    if (this.#isFrozen) return;
    const isBusy = this.#early.length > 0 || this.#inbound.areTooMany || this.#stream.writableNeedDrain;
    if (isBusy) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #end(graceful: boolean, reason: string): void {
    if (this.#isClosed()) return;
    this.#state = 'closed';
    this.#stopConnectTimer();
    this.#reader.stop();
    this.#outgoing.clear();
    this.#keepAlive?.stop();
    this.#trace?.ended(graceful, reason);
    if (!graceful) this.#options.log(`MQTT ${this.#clientId}: connection ended: ${reason}`);
    this.#outbound.failAll(new Error(`the connection has ended: ${reason}`));
    this.#session?.closed(graceful);
    if (!this.#isSilent) this.#stream.destroy();
  }
}

function connectOf(packet: IConnectPacket, presentedChain: readonly Uint8Array[]): MqttConnect {
  const { will } = packet;
  return {
    clientId: packet.clientId,
    username: packet.username ?? '',
    password: packet.password,
    cleanSession: packet.clean ?? false,
    keepAliveSeconds: packet.keepalive ?? 0,
    will: will && { topic: will.topic, payload: Buffer.from(will.payload) },
    presentedChain,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
