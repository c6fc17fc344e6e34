import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { ConnectionError } from './connection-error.ts';
import { isProxied, type ProxySettings } from './proxy-settings.ts';
import { openTunnel } from './proxy-tunnel.ts';
import { formatServerAddress, parseServerAddress, type ServerAddress } from './server-address.ts';
import { openTcp } from './tcp-connection.ts';
import { openTls } from './tls-connection.ts';
import { openWebSocket } from './websocket-stream.ts';

/** MQTT 3.1.1 over TLS on port 8883, or over WebSocket on port 443. */
export type Transport = 'mqtt' | 'mqtt-websocket';

/** What one connection needs. */
export interface OpenStreamOptions {
  /** Host name, with a port where it isn't the usual one (8883 for `mqtt`, 443 for `mqtt-websocket`). */
  readonly host: string;
  readonly transport: Transport;
  /** The device's certificate and key, and the roots that are trusted. */
  readonly secureContext: SecureContext;
  /** Default: straight there. */
  readonly proxy?: ProxySettings;
  /** Milliseconds for all of it: name, TCP, proxy, TLS, upgrade; default 20,000. */
  readonly timeoutMs?: number;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
}

/** How far an attempt has come, for the error of a time-out. */
interface Progress {
  step: 'proxy' | 'tcp' | 'tls' | 'websocket';
  /** The TCP connection, or the tunnel through a proxy. */
  socket?: Socket;
}

const usualPorts: Readonly<Record<Transport, number>> = { mqtt: 8883, 'mqtt-websocket': 443 };

/**
 * Resolves with a stream on which MQTT can be spoken: TLS done and the server verified, `noDelay` on, WebSocket upgraded. The stream
 * has one `error` listener that does nothing, so that an early end doesn't end the process; look at `destroyed`, then listen.
 *
 * @throws {ConnectionError} any kind but `closed`; the signal's reason, where that ended it
 * @throws {TypeError} host or proxy URL are none
 */
export async function openStream(options: OpenStreamOptions): Promise<Duplex> {
  const { timeoutMs = 20_000, signal } = options;
  signal?.throwIfAborted();
  const server = parseServerAddress(options.host, usualPorts[options.transport]);
  const progress: Progress = { step: 'tcp' };
  const attempt = new AbortController();
  const timer = setTimeout(() => attempt.abort(toTimeout(server, progress, timeoutMs)), timeoutMs);
  const onAbort = (): void => attempt.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    return await open(server, options, { progress, signal: attempt.signal });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function open(
  server: ServerAddress,
  { transport, secureContext, proxy }: OpenStreamOptions,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<Duplex> {
  if (proxy && isProxied(proxy, server)) {
    progress.step = 'proxy';
    progress.socket = await openTunnel(proxy, server, signal);
  } else {
    progress.socket = await openTcp(server, signal);
  }
  progress.step = 'tls';
  const secured = await openTls(progress.socket, { server, secureContext, signal });
  if (transport === 'mqtt') return secured;
  progress.step = 'websocket';
  return openWebSocket(secured, server, signal);
}

/** A segment of this many bytes passes every network in use; a handshake that stalls beyond is cut by its size. */
const smallSegment = 1_200;

function toTimeout(server: ServerAddress, { step, socket }: Progress, timeoutMs: number): ConnectionError {
  const where = formatServerAddress(server);
  const limit = `within ${timeoutMs / 1000} s`;
  switch (step) {
    case 'tcp':
      return new ConnectionError('timeout', {
        detail: `no TCP connection to ${where} ${limit}`,
        advice: `A firewall that drops silently does this: let port ${server.port} out (8883 for MQTT, 443 for WebSocket); or the name server doesn't answer.`,
      });
    case 'proxy':
      return new ConnectionError('timeout', {
        detail: `no way through the proxy to ${where} ${limit}`,
        advice: 'Check that the proxy runs, and that it can reach this host itself.',
      });
    case 'tls': {
      const { bytesWritten = 0, bytesRead = 0 } = socket ?? {};
      const isBySize = bytesRead > 0 || bytesWritten > smallSegment;
      return new ConnectionError('timeout', {
        detail: `no TLS handshake with ${where} ${limit} (TCP connected; ${bytesWritten} bytes sent, ${bytesRead} received)`,
        advice: isBySize
          ? 'Small packets pass and large ones vanish: look at the MTU on the way (VPN, PPPoE, mobile network), lower that of this device (1,280 always passes), or let ICMP "fragmentation needed" through.'
          : 'TCP is open and nobody speaks TLS: look for a firewall that lets connections begin and swallows them, or a server that is overloaded.',
      });
    }
    case 'websocket':
      return new ConnectionError('timeout', {
        detail: `no answer from ${where} to the WebSocket upgrade ${limit}`,
        advice: 'Look for a proxy or firewall that cuts WebSocket (Upgrade).',
      });
  }
}
