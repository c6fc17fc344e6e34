import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { SecureContext, TLSSocket } from 'node:tls';
import { DeviceAgentError } from '../errors.ts';
import { attempt } from '../network/attempt.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import { ConnectionError, codeOf, reasonOf } from '../network/connection-error.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import { reachServer } from '../network/reach-server.ts';
import { parseServerAddress } from '../network/server-address.ts';
import { openTls } from '../network/tls-connection.ts';

/** An answer read whole. */
export interface EstAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface EstRequest {
  /** With a port where it isn't 443. */
  readonly host: string;
  readonly path: string;
  /** Base64 of a PKCS #10 request, sent by POST; without it the request is a GET. */
  readonly body: string | undefined;
  readonly secureContext: SecureContext;
  readonly proxy?: ProxySettings;
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

const httpsPort = 443;
const longestAnswer = 1_048_576;

/**
 * One request on a connection of its own.
 *
 * @param who - the server as errors name it, and the certificate that the device shows
 * @throws {DeviceAgentError} ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_RENEWAL_UNREACHABLE, ERR_AGENT_RENEWAL_REFUSED
 */
export async function requestEst(
  { host, timeoutMs = 60_000, ...options }: EstRequest,
  who: { readonly name: string; readonly certificate: CertificateFacts },
): Promise<EstAnswer> {
  const server = parseServerAddress(host, httpsPort);
  const { proxy, secureContext } = options;
  try {
    return await attempt(server, { timeoutMs, signal: options.signal }, async ({ progress, signal }) => {
      const socket = await reachServer(server, { proxy, progress, signal });
      progress.step = 'tls';
      const secured = await openTls(socket, { server, secureContext, roots: 'est', signal });
      return exchange(secured, { ...options, host, signal });
    });
  } catch (cause) {
    if (options.signal.aborted) throw cause;
    throw explain(cause, who);
  }
}

async function exchange(socket: TLSSocket, { host, path, body, signal }: EstRequest): Promise<EstAnswer> {
  // The transfer encoding says nothing since RFC 8951, but there are servers that refuse a request without it.
  const content = { 'content-type': 'application/pkcs10', 'content-transfer-encoding': 'base64' };
  const headers = { host, connection: 'close', ...(body !== undefined && content) };
  const asked = request({
    createConnection: () => socket,
    method: body === undefined ? 'GET' : 'POST',
    path,
    signal,
    headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
  });
  try {
    asked.end(body);
    const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage];
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longestAnswer) throw new Error(`an answer of more than ${longestAnswer} bytes`);
      chunks.push(chunk);
    }
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
  } finally {
    asked.on('error', () => undefined);
    socket.destroy();
  }
}

function explain(
  cause: unknown,
  { name, certificate }: { readonly name: string; readonly certificate: CertificateFacts },
): DeviceAgentError {
  const alert = [cause, (cause as { cause?: unknown }).cause].map(codeOf).find((code) => code?.includes('_ALERT_'));
  if (alert !== undefined) {
    return new DeviceAgentError(
      'ERR_AGENT_RENEWAL_REFUSED',
      `${name} does not take the certificate that this device has (${certificate.subject}): ${alert}.`,
      {
        cause,
        certificate,
        advice: 'Have the server trust the authority that issued it, and see whether it has expired.',
      },
    );
  }
  if (!(cause instanceof ConnectionError)) {
    return new DeviceAgentError('ERR_AGENT_RENEWAL_UNREACHABLE', `${name} broke off: ${reasonOf(cause)}.`, {
      cause,
      certificate,
      failure: 'closed',
      advice: `The device tries again; a server that does not take its certificate (${certificate.subject}, issued by ${certificate.issuer}) does this too.`,
    });
  }
  const { kind, detail, advice, serverCertificate } = cause;
  const code = kind === 'untrusted-server' ? 'ERR_AGENT_SERVER_UNTRUSTED' : 'ERR_AGENT_RENEWAL_UNREACHABLE';
  const details = { cause, advice, failure: kind, certificate: serverCertificate };
  return new DeviceAgentError(code, `Can't ask ${name} for a new certificate: ${detail}.`, details);
}
