import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface HttpProxyOptions {
  /** `user:password` that it wants by Basic. */
  readonly credentials?: string;
  /** Answer in place of a tunnel, such as `403 Forbidden`, with header lines where given. */
  readonly refusal?: string;
  /** TLS to the proxy itself. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Where a port of a target really is; undefined: it lets nobody through to that one (403). Default: it is what it is. */
  readonly portOf?: (port: number) => number | undefined;
  /** It takes the request and says nothing. */
  readonly isSilent?: boolean;
}

/** A real HTTP proxy that knows CONNECT, made of Node's server; names below `.localhost` lead to 127.0.0.1. */
export interface HttpProxy {
  readonly port: number;
  /** Targets asked for, as `host:port`. */
  readonly targets: string[];
  close(): Promise<void>;
}

export async function startHttpProxy(options: HttpProxyOptions = {}): Promise<HttpProxy> {
  const targets: string[] = [];
  const sockets = new Set<Duplex>();
  const server: Server = options.tls ? createSecureServer(options.tls) : createServer();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    client.on('error', () => undefined);
    targets.push(request.url ?? '');
    if (options.isSilent === true) return;
    const wanted = options.credentials && `Basic ${Buffer.from(options.credentials).toString('base64')}`;
    const asked = Number(request.url?.split(':').at(-1));
    const port = options.portOf ? options.portOf(asked) : asked;
    const refusal =
      options.refusal ??
      (port === undefined ? '403 Forbidden' : undefined) ??
      (wanted !== undefined && request.headers['proxy-authorization'] !== wanted
        ? '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="test"'
        : undefined);
    if (refusal !== undefined) {
      client.end(`HTTP/1.1 ${refusal}\r\n\r\n`);
      return;
    }
    const target = connect(port ?? 0, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    sockets.add(target);
    target.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    client.on('close', () => target.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    targets,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
