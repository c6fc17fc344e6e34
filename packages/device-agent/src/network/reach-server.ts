import type { Socket } from 'node:net';
import type { Attempt } from './attempt.ts';
import { isProxied, type ProxySettings } from './proxy-settings.ts';
import { openTunnel } from './proxy-tunnel.ts';
import type { ServerAddress } from './server-address.ts';
import { connectTcp, resolveAddresses } from './tcp-connection.ts';

/**
 * A TCP connection to the server: straight there, or the tunnel through a proxy.
 *
 * @throws {ConnectionError} dns, tcp, timeout, proxy, captive-portal
 */
export async function reachServer(
  server: ServerAddress,
  { proxy, progress, signal }: Attempt & { readonly proxy: ProxySettings | undefined },
): Promise<Socket> {
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
