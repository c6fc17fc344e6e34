import type { SecureContext } from 'node:tls';
import { DeviceAgentError } from '../errors.ts';
import { attempt } from '../network/attempt.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import { ConnectionError, codeOf, reasonOf } from '../network/connection-error.ts';
import { requestHttps, type HttpsAnswer } from '../network/https-request.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import { reachTls } from '../network/reach-server.ts';
import { parseServerAddress } from '../network/server-address.ts';

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

/** The transfer encoding says nothing since RFC 8951, but there are servers that refuse a request without it. */
const contentHeaders = { 'content-type': 'application/pkcs10', 'content-transfer-encoding': 'base64' };

/**
 * One request on a connection of its own.
 *
 * @param who - the server as errors name it, and the certificate that the device shows
 * @throws {DeviceAgentError} ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_RENEWAL_UNREACHABLE, ERR_AGENT_RENEWAL_REFUSED
 */
export async function requestEst(
  { host, path, body, secureContext, proxy, timeoutMs = 60_000, signal }: EstRequest,
  who: { readonly name: string; readonly certificate: CertificateFacts },
): Promise<HttpsAnswer> {
  const server = parseServerAddress(host, httpsPort);
  try {
    return await attempt(server, { timeoutMs, signal }, async (under) => {
      const socket = await reachTls(server, { ...under, proxy, secureContext, roots: 'est' });
      return requestHttps(socket, {
        method: body === undefined ? 'GET' : 'POST',
        host,
        path,
        content: body === undefined ? undefined : { headers: contentHeaders, text: body },
        signal: under.signal,
      });
    });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw explain(cause, who);
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
