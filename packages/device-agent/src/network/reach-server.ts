import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Attempt } from './attempt.ts';
import { isProxied, type ProxySettings } from './proxy-settings.ts';
import { openTunnel } from './proxy-tunnel.ts';
import type { ServerAddress } from './server-address.ts';
import { connectTcp, resolveAddresses } from './tcp-connection.ts';
import { openTls, type TlsOptions } from './tls-connection.ts';

/** How far it has come, and what it leads through. */
interface Way extends Attempt {
  readonly proxy: ProxySettings | undefined;
}

/**
 * A TCP connection to the server: straight there, or the tunnel through a proxy.
 *
 * @throws {ConnectionError} dns, tcp, timeout, proxy, captive-portal
 */
export async function reachServer(server: ServerAddress, { proxy, progress, signal }: Way): Promise<Socket> {
  let socket: Socket;
  if (proxy && isProxied(proxy, server)) {
    progress.step = 'proxy';
    socket = await openTunnel(proxy, server, signal);
  } else {
    const addresses = await resolveAddresses(server.name, signal);
    progress.step = 'tcp';
    socket = await connectTcp(server, addresses, signal);
  }
  progress.socket = socket;
  return socket;
}

/**
 * The same with TLS on it, and the server verified.
 *
 * @throws {ConnectionError} tls, untrusted-server too
 */
export async function reachTls(
  server: ServerAddress,
  { secureContext, roots, ...way }: Way & Pick<TlsOptions, 'secureContext' | 'roots'>,
): Promise<TLSSocket> {
  const socket = await reachServer(server, way);
  way.progress.step = 'tls';
  return openTls(socket, { server, secureContext, roots, signal: way.signal });
}
