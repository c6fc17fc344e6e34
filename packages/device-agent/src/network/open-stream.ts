import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { attempt } from './attempt.ts';
import type { ProxySettings } from './proxy-settings.ts';
import { reachTls } from './reach-server.ts';
import { parseServerAddress } from './server-address.ts';
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

/** Where the name of a host has no port. */
export const usualPorts: Readonly<Record<Transport, number>> = { mqtt: 8883, 'mqtt-websocket': 443 };

/**
 * Resolves with a stream on which MQTT can be spoken: TLS done and the server verified, `noDelay` on, WebSocket upgraded. The stream
 * has one `error` listener that does nothing, so that an early end doesn't end the process; look at `destroyed`, then listen.
 *
 * @throws {ConnectionError} any kind but `closed`; the signal's reason, where that ended it
 * @throws {TypeError} host or proxy URL are none
 */
export async function openStream(options: OpenStreamOptions): Promise<Duplex> {
  const { transport, secureContext, proxy } = options;
  const server = parseServerAddress(options.host, usualPorts[transport]);
  return attempt(server, options, async (under) => {
    const secured = await reachTls(server, { ...under, proxy, secureContext });
    if (transport === 'mqtt') return secured;
    under.progress.step = 'websocket';
    return openWebSocket(secured, server, under.signal);
  });
}
