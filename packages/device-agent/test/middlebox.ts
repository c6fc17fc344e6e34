import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** What a middlebox does to connections; changed while it runs, it also meets the ones that stand. */
export interface MiddleboxMode {
  /** Nothing passes any more, in either direction, and nobody is told. */
  isBlackHole?: boolean;
  /** Bytes of each connection that pass to the client before it is cut off. */
  cutAfterBytes?: number;
  /** What is sent in one go and larger than so many bytes vanishes, with everything behind it: a wrong MTU without ICMP. */
  swallow?: { readonly above: number; readonly towards: 'client' | 'server' };
  /** Milliseconds by which everything is late. */
  delayMs?: number;
  /** Towards the server, no more than this passes in a millisecond. */
  bytesPerMs?: number;
  /** In place of the other side, this text answers. */
  answer?: string;
}

/** A real TCP box between client and server. */
export interface Middlebox {
  readonly port: number;
  readonly mode: MiddleboxMode;
  /** Connections that it has taken so far. */
  readonly taken: () => number;
  close(): Promise<void>;
}

export async function startMiddlebox(targetPort: number, mode: MiddleboxMode = {}): Promise<Middlebox> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  };
  let taken = 0;
  const server = createServer((client) => {
    taken += 1;
    keep(client);
    if (mode.answer !== undefined) {
      const { answer } = mode;
      client.once('data', () => client.end(answer));
      return;
    }
    const target = keep(connect({ host: '127.0.0.1', port: targetPort, noDelay: true }));
    let toClient = 0;
    pass(client, target, { mode, towards: 'server' });
    pass(target, client, {
      mode,
      towards: 'client',
      onPassed: (length) => {
        toClient += length;
        if (mode.cutAfterBytes === undefined || toClient < mode.cutAfterBytes) return;
        client.resetAndDestroy();
        target.destroy();
      },
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    mode,
    taken: () => taken,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Direction {
  readonly mode: MiddleboxMode;
  readonly towards: 'client' | 'server';
  readonly onPassed?: (length: number) => void;
}

function pass(from: Socket, to: Socket, { mode, towards, onPassed }: Direction): void {
  let isStuck = false;
  from.on('data', (chunk: Buffer) => {
    const { swallow } = mode;
    isStuck ||= swallow?.towards === towards && chunk.length > swallow.above;
    if (isStuck || mode.isBlackHole === true) return;
    const write = (): void => {
      to.write(chunk);
      onPassed?.(chunk.length);
    };
    const { bytesPerMs } = mode;
    if (bytesPerMs !== undefined && towards === 'server') {
      from.pause();
      setTimeout(() => {
        write();
        from.resume();
      }, chunk.length / bytesPerMs);
    } else if (mode.delayMs === undefined) write();
    else setTimeout(write, mode.delayMs);
  });
  from.on('close', () => {
    if (mode.isBlackHole !== true) to.destroy();
  });
}
