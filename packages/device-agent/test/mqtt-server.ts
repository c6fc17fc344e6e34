import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { generate, parser, type Packet } from 'mqtt-packet';

/** An MQTT server of one connection that does what a test says, over a real socket without TLS. */
export interface ScriptedServer {
  /** The client's end. */
  readonly stream: Socket;
  /** Everything that the client has sent, in its order. */
  readonly received: Packet[];
  send(...packets: Packet[]): void;
  /** Sends what is no MQTT. */
  sendBytes(bytes: Buffer): void;
  /** Reads nothing any more, as behind a network that has stalled. */
  stall(): void;
  /** Resolves with the first packet of this kind after the given number of them. */
  next<T extends Packet['cmd']>(cmd: T, after?: number): Promise<Extract<Packet, { cmd: T }>>;
  close(): void;
}

/** @param answer - called with each packet; what it returns is sent back */
export async function startScriptedServer(answer: (packet: Packet) => Packet[] = polite): Promise<ScriptedServer> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const stream = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = await accepted;
  socket.setNoDelay(true);
  stream.setNoDelay(true);
  const received: Packet[] = [];
  const listeners = new Set<() => void>();
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => {
    received.push(packet);
    for (const reply of answer(packet)) socket.write(generate(reply));
    for (const listener of [...listeners]) listener();
  });
  socket.on('data', (chunk: Buffer) => void reader.parse(chunk));
  socket.on('error', () => undefined);
  return {
    stream,
    received,
    send: (...packets) => void socket.write(Buffer.concat(packets.map((packet) => generate(packet)))),
    sendBytes: (bytes) => void socket.write(bytes),
    stall: () => void socket.pause(),
    next: (cmd, after = 0) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = received.filter((packet) => packet.cmd === cmd)[after];
          if (!found) return;
          listeners.delete(look);
          resolve(found as never);
        };
        listeners.add(look);
        look();
      }),
    close: () => {
      socket.destroy();
      stream.destroy();
      server.close();
    },
  };
}

/** Says yes to everything. */
export function polite(packet: Packet): Packet[] {
  switch (packet.cmd) {
    case 'connect':
      return [{ cmd: 'connack', returnCode: 0, sessionPresent: false }];
    case 'publish':
      return packet.qos === 1 ? [{ cmd: 'puback', messageId: packet.messageId ?? 0 }] : [];
    case 'subscribe':
      return [{ cmd: 'suback', messageId: packet.messageId ?? 0, granted: packet.subscriptions.map(({ qos }) => qos) }];
    case 'pingreq':
      return [{ cmd: 'pingresp' }];
    default:
      return [];
  }
}
