import type { IncomingHttpHeaders } from 'node:http';
import { createDeviceSecureContext } from '../identity/secure-context.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import type { CertificateSource } from './certificate-source.ts';
import { inLines, readCertsOnly } from './certs-only.ts';
import { checkEstAnswer } from './est-answer.ts';
import { requestEst } from './est-request.ts';

/** Where an EST server is and who vouches for it. */
export interface EstOptions {
  /** `https://host[:port]`; the path is that of the standard. */
  readonly url: string;
  /** The server's name for one of several authorities (RFC 7030 section 3.2.2). */
  readonly label?: string;
  /** PEM. The only roots that the server may be under (explicit trust anchor, RFC 7030 section 3.6.1). */
  readonly trustedRootsPem: string;
  /** Default: straight there. */
  readonly proxy?: ProxySettings;
  /** Milliseconds for each of the two requests; default 60,000. */
  readonly timeoutMs?: number;
}

/**
 * Simple re-enrolment with an EST server (RFC 7030 section 4.2.2, with the corrections of RFC 8951): the device shows the
 * certificate that it has in the TLS handshake, and its chain is completed from the server's CA certificates.
 *
 * `renew` rejects with ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_RENEWAL_UNREACHABLE, ERR_AGENT_RENEWAL_REFUSED,
 * ERR_AGENT_RENEWAL_PENDING (202: come back after `retryAfterMs`), ERR_AGENT_RENEWAL_CERTIFICATE, ERR_AGENT_CLOCK.
 *
 * @throws {TypeError} the URL isn't one with https
 */
export function estSource(options: EstOptions): CertificateSource {
  const { protocol, host } = new URL(options.url);
  if (protocol !== 'https:') throw new TypeError(`url has to begin with https://, found ${protocol}//`);
  const name = `EST at ${host}`;
  const root = `/.well-known/est${options.label === undefined ? '' : `/${encodeURIComponent(options.label)}`}`;
  return {
    name,
    renew: async ({ csrDer, current, checkServerTime }, signal) => {
      const secureContext = createDeviceSecureContext(current, options.trustedRootsPem, 'only');
      const ask = async (operation: string, body?: string): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> => {
        const request = { ...options, host, path: `${root}/${operation}`, body, secureContext, signal };
        const answer = await requestEst(request, { name, certificate: current.certificate });
        checkEstAnswer(answer, { name, operation, certificate: current.certificate });
        return answer;
      };
      const authorities = await ask('cacerts');
      // Before the request goes out: with a wrong clock nothing is to be issued.
      if (authorities.headers.date !== undefined) checkServerTime(new Date(authorities.headers.date));
      const issued = await ask('simplereenroll', inLines(Buffer.from(csrDer).toString('base64')));
      return readCertsOnly(issued.body, name) + readCertsOnly(authorities.body, name);
    },
  };
}
