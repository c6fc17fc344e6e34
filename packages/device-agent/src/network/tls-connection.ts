import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls';
import { certificateFacts } from './certificate-facts.ts';
import { ConnectionError, codeOf, reasonOf } from './connection-error.ts';
import { formatServerAddress, type ServerAddress } from './server-address.ts';
import { rootSettings } from './trusted-roots.ts';
import { ignoreErrors, socketEvent } from './socket-event.ts';
import { addAwaitedRoots } from './trusted-roots.ts';

export interface TlsOptions {
  readonly server: ServerAddress;
  readonly secureContext: SecureContext;
  /** Whose setting the trusted roots are, for advice; default: Azure's. */
  readonly roots?: keyof typeof rootSettings | undefined;
  readonly signal: AbortSignal;
}

/**
 * TLS on a socket that is connected, with the server's chain and name verified.
 *
 * @throws {ConnectionError} tls, untrusted-server
 */
export async function openTls(
  socket: Socket,
  { server, secureContext, roots = 'azure', signal }: TlsOptions,
): Promise<TLSSocket> {
  const secured = connect({
    socket,
    secureContext,
    host: server.name,
    ...(isIP(server.name) === 0 ? { servername: server.name } : { checkServerIdentity: checkAddress }),
    // Node would destroy the socket together with the certificate that has to be named: verified below instead.
    rejectUnauthorized: false,
  });
  addAwaitedRoots(secureContext);
  try {
    await socketEvent(secured, 'secureConnect', signal);
  } catch (error) {
    socket.destroy();
    throw error === signal.reason ? error : toTlsError(server, error);
  }
  if (!secured.authorized) {
    const error = toUntrusted(server, secured, roots);
    secured.destroy();
    throw error;
  }
  ignoreErrors(secured);
  return secured;
}

/** Node 22.23 looks for an IPv6 address as for a name without letters, and finds it in no certificate. */
function checkAddress(address: string, certificate: PeerCertificate): Error | undefined {
  const isThere = new X509Certificate(certificate.raw).checkIP(address) !== undefined;
  return isThere ? undefined : checkServerIdentity(address, certificate);
}

function toTlsError(server: ServerAddress, cause: unknown): ConnectionError {
  const code = codeOf(cause) ?? '';
  return new ConnectionError('tls', {
    detail: `the TLS handshake with ${formatServerAddress(server)} broke off: ${reasonOf(cause)}`,
    advice: tlsAdvice(code),
    cause,
  });
}

function tlsAdvice(code: string): string {
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNEXPECTED_MESSAGE|HTTP_REQUEST/.test(code)) {
    return 'What answers there does not speak TLS: look for a captive portal (open a web page on this network), a proxy, or a wrong port.';
  }
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_SHARED_CIPHER|HANDSHAKE_FAILURE/.test(code)) {
    return 'The two sides share no TLS version or cipher (Azure wants TLS 1.2 or later): look for a firewall that opens TLS, and at the TLS settings of Node.';
  }
  if (/ALERT_.*CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_ACCESS_DENIED/.test(code)) {
    return 'The other side does not take the certificate of this device: check its validity and that the whole chain is sent.';
  }
  return 'A firewall or middlebox that cuts TLS does this: allow port 8883 or 443 to this host, without inspection.';
}

function toUntrusted(server: ServerAddress, socket: TLSSocket, roots: keyof typeof rootSettings): ConnectionError {
  // A verification's failure is kept by its code alone.
  const code = String(socket.authorizationError);
  const mismatch =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID'
      ? checkServerIdentity(server.name, socket.getPeerCertificate())?.message
      : undefined;
  const certificate = socket.getPeerX509Certificate();
  const facts = certificate && certificateFacts('server', certificate);
  const shown = facts
    ? `${facts.subject}, issued by ${facts.issuer}, valid ${facts.notBefore} to ${facts.notAfter}`
    : 'none';
  return new ConnectionError('untrusted-server', {
    detail: `${formatServerAddress(server)} showed a certificate that is not trusted: ${mismatch ?? code} (${shown})`,
    advice: untrustedAdvice(code, roots),
    ...(facts && { serverCertificate: facts }),
    cause: Object.assign(new Error(mismatch ?? code), { code }),
  });
}

function untrustedAdvice(code: string, roots: keyof typeof rootSettings): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      // OpenSSL verifies by the machine's clock, so that is the one to name.
      return `Look at the clock of this device, it says ${new Date().toISOString()}: set it by NTP. If it is right, the server's certificate is at fault.`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'Somebody else answers for this name: look for a captive portal (open a web page on this network), a wrong host name, or a proxy that opens TLS.';
    default:
      return `Trust its root where it is yours (${rootSettings[roots]}); ${
        roots === 'azure'
          ? 'Azure is under DigiCert Global Root G2 and Microsoft RSA Root CA 2017, so otherwise'
          : 'else'
      } look for a proxy that opens TLS.`;
  }
}
