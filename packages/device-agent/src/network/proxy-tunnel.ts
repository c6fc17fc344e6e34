import type { Socket } from 'node:net';
import { ConnectionError, reasonOf } from './connection-error.ts';
import { readHttpHead, type HttpHead } from './http-head.ts';
import type { ProxySettings } from './proxy-settings.ts';
import { formatServerAddress, parseServerAddress, type ServerAddress } from './server-address.ts';
import { connectTcp, resolveAddresses } from './tcp-connection.ts';
import { createAnonymousContext } from './trusted-roots.ts';
import { openTls } from './tls-connection.ts';

/** A proxy's address and what it wants to know; the credentials appear in no error. */
interface Proxy {
  readonly address: ServerAddress;
  readonly isSecure: boolean;
  /** Value of `Proxy-Authorization` (RFC 7617). */
  readonly authorization: string | undefined;
}

/**
 * A socket on which the server is spoken to, through the proxy.
 *
 * @throws {ConnectionError} proxy, captive-portal
 * @throws {TypeError} the proxy's URL is none
 */
export async function openTunnel(settings: ProxySettings, server: ServerAddress, signal: AbortSignal): Promise<Socket> {
  const proxy = parseProxy(settings.url);
  const socket = await reachProxy(proxy, settings, signal);
  const host = formatServerAddress(server);
  socket.write(
    `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n` +
      (proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`) +
      '\r\n',
  );
  let head: HttpHead;
  try {
    head = await readHttpHead(socket, signal);
  } catch (error) {
    if (error === signal.reason) throw error;
    throw new ConnectionError('proxy', {
      detail: `the proxy ${formatServerAddress(proxy.address)} gave no answer to CONNECT ${host}: ${reasonOf(error)}`,
      advice: 'Check that this is an HTTP proxy and its port.',
      cause: error,
    });
  }
  if (head.status >= 200 && head.status < 300) return socket;
  socket.destroy();
  throw toRefusal(head, proxy, host);
}

function parseProxy(text: string): Proxy {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // The text may hold a password, and so would the cause.
    throw new TypeError('proxy.url: expected http(s)://[user:password@]host[:port]');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`proxy.url: expected http: or https:, found ${url.protocol}`);
  }
  const isSecure = url.protocol === 'https:';
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    address: parseServerAddress(url.host, isSecure ? 443 : 80),
    isSecure,
    authorization: credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

async function reachProxy(proxy: Proxy, settings: ProxySettings, signal: AbortSignal): Promise<Socket> {
  try {
    const socket = await connectTcp(proxy.address, await resolveAddresses(proxy.address.name, signal), signal);
    if (!proxy.isSecure) return socket;
    return await openTls(socket, {
      server: proxy.address,
      secureContext: createAnonymousContext(settings.trustedRootsPem),
      roots: 'proxy',
      signal,
    });
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    throw new ConnectionError('proxy', {
      detail: `the proxy can't be reached: ${error.detail}`,
      advice: `${error.advice} Or take the proxy out of the settings.`,
      ...(error.serverCertificate && { serverCertificate: error.serverCertificate }),
      cause: error,
    });
  }
}

function toRefusal(head: HttpHead, proxy: Proxy, host: string): ConnectionError {
  const said =
    `the proxy ${formatServerAddress(proxy.address)} answered CONNECT ${host} with ${head.status} ${head.statusText}`.trimEnd();
  const isPortal = head.status === 511 || (head.status >= 300 && head.status < 400);
  return new ConnectionError(isPortal ? 'captive-portal' : 'proxy', {
    detail: said,
    advice: isPortal
      ? 'Somebody has to sign in to this network with a browser first.'
      : refusalAdvice(head, proxy, host),
    cause: head,
  });
}

function refusalAdvice({ status, headers }: HttpHead, { authorization }: Proxy, host: string): string {
  if (status === 407) {
    const schemes = (headers['proxy-authenticate'] ?? []).map((challenge) => challenge.split(' ')[0] ?? '');
    if (!schemes.some((scheme) => scheme.toLowerCase() === 'basic')) {
      return `It wants ${schemes.join(' or ') || 'authentication of a kind it does not name'}, and this agent has Basic alone: let this device through by its address, or add Basic.`;
    }
    return authorization === undefined
      ? 'It wants a user and a password: put them into the URL of the proxy as user:password@, in a configuration file into proxy.user and proxy.passwordFile.'
      : 'It does not accept this user and password: check both (special characters are percent-encoded in a URL, and as they are in proxy.user and proxy.passwordFile of a configuration file).';
  }
  if (status >= 500) return `It can't reach ${host} itself: check the name, and the proxy's own network and DNS.`;
  return `It does not let this device through to ${host}: allow CONNECT to that host and port there (8883 for MQTT, 443 for WebSocket).`;
}
