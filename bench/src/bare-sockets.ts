import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { generate, parser, type Packet } from 'mqtt-packet';

/** MQTT 3.1.1 on a bare TLS socket, one request at a time: the least that the wire asks for. */
export interface BareConnection {
  publish(topic: string, payload: string): Promise<void>;
  subscribe(topic: string): Promise<void>;
  /** The next message that comes in. */
  received(): Promise<{ readonly topic: string; readonly payload: string }>;
  close(): void;
}

export interface BareConnectOptions {
  readonly host: string;
  readonly clientId: string;
  readonly username: string;
  readonly clean: boolean;
  readonly secureContext: SecureContext;
}

export async function bareConnect({
  host,
  clientId,
  username,
  clean,
  secureContext,
}: BareConnectOptions): Promise<BareConnection> {
  const { hostname, port } = new URL(`mqtts://${host}`);
  const socket = connect({ host: 'localhost', servername: hostname, port: Number(port), secureContext });
  socket.setNoDelay(true);
  const packets = readPackets(socket);
  let messageId = 0;
  const send = (packet: Packet): void => void socket.write(generate(packet));
  const request = async (packet: Packet, answer: Packet['cmd']): Promise<void> => {
    send(packet);
    await packets.next(answer);
  };
  await request(
    { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean, clientId, username, keepalive: 180 },
    'connack',
  );
  return {
    publish: (topic, payload) =>
      request({ cmd: 'publish', topic, payload, qos: 1, messageId: ++messageId, dup: false, retain: false }, 'puback'),
    subscribe: (topic) =>
      request({ cmd: 'subscribe', messageId: ++messageId, subscriptions: [{ topic, qos: 1 }] }, 'suback'),
    received: async () => {
      const packet = await packets.next('publish');
      if (packet.cmd !== 'publish') throw new Error('not a message');
      if (packet.qos === 1 && packet.messageId !== undefined) send({ cmd: 'puback', messageId: packet.messageId });
      return { topic: packet.topic, payload: packet.payload.toString() };
    },
    close: () => void socket.end(generate({ cmd: 'disconnect' })),
  };
}

/** Packets by kind, kept until somebody asks for them. */
function readPackets(socket: TLSSocket): { next(cmd: Packet['cmd']): Promise<Packet> } {
  const kept: Packet[] = [];
  const waiting: { cmd: Packet['cmd']; resolve: (packet: Packet) => void; reject: (error: Error) => void }[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => {
    const index = waiting.findIndex(({ cmd }) => cmd === packet.cmd);
    if (index < 0) kept.push(packet);
    else waiting.splice(index, 1)[0]?.resolve(packet);
  });
  const fail = (error: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  socket.on('data', (chunk: Buffer) => void reader.parse(chunk));
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('connection closed')));
  return {
    next: (cmd) =>
      new Promise((resolve, reject) => {
        const index = kept.findIndex((packet) => packet.cmd === cmd);
        const [packet] = index < 0 ? [] : kept.splice(index, 1);
        if (packet) resolve(packet);
        else waiting.push({ cmd, resolve, reject });
      }),
  };
}
