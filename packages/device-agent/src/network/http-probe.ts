import { attempt, type AttemptLimits } from './attempt.ts';
import { ConnectionError, codeOf, reasonOf } from './connection-error.ts';
import { readHttpHead } from './http-head.ts';
import { formatServerAddress, parseServerAddress } from './server-address.ts';
import { connectTcp, resolveAddresses } from './tcp-connection.ts';

/** What a plain HTTP server said: the one that was asked, or a captive portal in its place. */
export interface HttpProbe {
  /** 204 where nothing stands in between. */
  readonly status: number;
  /** Where it sends a browser, if it does. */
  readonly location?: string;
  /** The server's clock (header `Date`). */
  readonly date?: Date;
}

/**
 * Asks an `http://` URL that is made for this question: it answers 204 with nothing, and a captive portal answers with something.
 *
 * @throws {ConnectionError} dns, tcp, timeout
 * @throws {TypeError} not an `http://` URL
 */
export async function probeHttp(url: string, limits: AttemptLimits = {}): Promise<HttpProbe> {
  const { protocol, host, pathname, search } = new URL(url);
  if (protocol !== 'http:') throw new TypeError(`probe URL: expected http:, found ${protocol}`);
  const server = parseServerAddress(host, 80);
  return attempt(server, limits, async ({ progress, signal }) => {
    const addresses = await resolveAddresses(server.name, signal);
    progress.step = 'tcp';
    const socket = await connectTcp(server, addresses, signal);
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const { status, headers } = await readHttpHead(socket, signal).catch((cause: unknown) => {
      if (cause === signal.reason) throw cause;
      throw new ConnectionError('tcp', {
        detail: `${formatServerAddress(server)} gave no HTTP answer: ${reasonOf(cause)}`,
        advice: 'Check the probe URL.',
        cause,
      });
    });
    socket.destroy();
    const date = new Date(headers['date']?.[0] ?? '');
    const location = headers['location']?.[0];
    return { status, ...(location !== undefined && { location }), ...(!Number.isNaN(date.getTime()) && { date }) };
  });
}

/** Codes of a certificate that isn't valid by this device's clock. */
const clockCodes: ReadonlySet<string | undefined> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** A difference that no certificate is wrong by, in milliseconds. */
const clockToleranceMs = 300_000;

/** A failure seen in the light of a probe: somebody else's certificate, or a cut, may be a captive portal; an expired one the clock. */
export function adviseByProbe(error: ConnectionError, probe: HttpProbe, now: Date): ConnectionError {
  const { detail, serverCertificate } = error;
  const facts = { ...(serverCertificate && { serverCertificate }), cause: error };
  const isPortal = probe.status !== 204;
  if (isPortal && (error.kind === 'untrusted-server' || error.kind === 'tls' || error.kind === 'timeout')) {
    const where = probe.location === undefined ? '' : ` (${probe.location})`;
    return new ConnectionError('captive-portal', {
      ...facts,
      detail: `${detail}; plain HTTP is answered by somebody else, too, with ${probe.status}${where}`,
      advice: 'A captive portal: somebody has to sign in to this network with a browser first.',
    });
  }
  const differenceMs = probe.date ? now.getTime() - probe.date.getTime() : 0;
  if (!probe.date || !clockCodes.has(codeOf(error.cause)) || Math.abs(differenceMs) < clockToleranceMs) return error;
  return new ConnectionError(error.kind, {
    ...facts,
    detail: `${detail}; this device's clock is ${differenceMs < 0 ? 'behind' : 'ahead'}: it says ${now.toISOString()}, and a server on the network ${probe.date.toISOString()}`,
    advice: 'Set the clock (NTP), and check what keeps it over a power cut.',
  });
}
