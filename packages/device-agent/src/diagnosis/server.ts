import type { SecureContext, TLSSocket } from 'node:tls';
import { createDeviceSecureContext } from '../identity/secure-context.ts';
import { attempt, type Attempt } from '../network/attempt.ts';
import { usualPorts, type Transport } from '../network/open-stream.ts';
import { reachTls } from '../network/reach-server.ts';
import { formatServerAddress, parseServerAddress, type ServerAddress } from '../network/server-address.ts';
import { createAnonymousContext } from '../network/trusted-roots.ts';
import { defaultEndpoint } from '../protocol/provision.ts';
import type { Examination } from './examination.ts';

/** The two services that a device speaks to. */
export type ServerName = 'dps' | 'hub';

/** As configured or found; undefined where there is none. */
export function hostOf({ options: { connectTo }, findings }: Examination, server: ServerName): string | undefined {
  if (server === 'hub') return findings.hub?.hostName;
  return 'idScope' in connectTo ? (connectTo.endpoint ?? defaultEndpoint) : undefined;
}

/** Where a transport goes. */
export const addressFor = (host: string, transport: Transport): ServerAddress =>
  parseServerAddress(host, usualPorts[transport]);

/** A host that names its port has that one alone. */
export const namesPort = (host: string): boolean =>
  addressFor(host, 'mqtt').port === addressFor(host, 'mqtt-websocket').port;

/** The transport that goes on from an open port; `mqtt` where both are open, as the agent does. */
export const chosenTransport = ({ findings }: Examination, server: ServerName): Transport =>
  findings.open[server].has('mqtt') ? 'mqtt' : 'mqtt-websocket';

/** Bounds of one look at the network. */
export const limitsOf = ({ options }: Examination): { timeoutMs: number; signal?: AbortSignal } => ({
  timeoutMs: options.timeoutMs ?? 10_000,
  ...(options.signal && { signal: options.signal }),
});

/** The device's TLS state; without a certificate where its identity can't be read, which is enough to look at a server. */
export function secureContextOf({ options: { trustedRootsPem }, findings }: Examination): SecureContext {
  findings.secureContext ??= findings.identity
    ? createDeviceSecureContext(findings.identity, trustedRootsPem)
    : createAnonymousContext(trustedRootsPem);
  return findings.secureContext;
}

/** Works on a TLS connection to a server, and ends it. */
export function withTls<T>(
  examination: Examination,
  server: ServerAddress,
  work: (socket: TLSSocket, attempt: Attempt) => T | Promise<T>,
): Promise<T> {
  const secureContext = secureContextOf(examination);
  return attempt(server, limitsOf(examination), async (under) => {
    const secured = await reachTls(server, { ...under, proxy: examination.options.proxy, secureContext });
    try {
      return await work(secured, under);
    } finally {
      secured.destroy();
    }
  });
}

export const written = (host: string, transport: Transport): string => formatServerAddress(addressFor(host, transport));
