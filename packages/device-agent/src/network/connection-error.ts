import type { CertificateFacts } from './certificate-facts.ts';

/**
 * Where a connection failed:
 *
 * - `dns`: the name has no address, or nobody answers for it
 * - `tcp`: refused, unreachable or reset before anything was said
 * - `timeout`: some step got no answer in time; the detail says which
 * - `proxy`: the proxy can't be reached, wants other credentials, or refuses the way through
 * - `captive-portal`: the network wants somebody to sign in first
 * - `tls`: the handshake broke off
 * - `untrusted-server`: the other side's certificate isn't trusted, isn't for this name, or isn't valid by this clock
 * - `websocket`: the other side doesn't upgrade to WebSocket
 * - `closed`: an open connection ended
 */
export type NetworkFailureKind =
  'dns' | 'tcp' | 'timeout' | 'proxy' | 'captive-portal' | 'tls' | 'untrusted-server' | 'websocket' | 'closed';

export interface ConnectionFailureFacts {
  /** What failed, at which host; a clause without a full stop. Holds no credentials. */
  readonly detail: string;
  /** What to do next; one or more sentences. */
  readonly advice: string;
  readonly serverCertificate?: CertificateFacts;
  readonly cause?: unknown;
}

/** No connection, or none any more. The message is detail and advice. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly kind: NetworkFailureKind;
  readonly detail: string;
  readonly advice: string;
  /** What the other side showed, where a certificate is what the failure is about. */
  readonly serverCertificate: CertificateFacts | undefined;

  constructor(kind: NetworkFailureKind, facts: ConnectionFailureFacts) {
    super(`${facts.detail}. ${facts.advice}`, 'cause' in facts ? { cause: facts.cause } : undefined);
    this.kind = kind;
    this.detail = facts.detail;
    this.advice = facts.advice;
    this.serverCertificate = facts.serverCertificate;
  }
}

/** A system's or TLS's error code, where there is one: `ECONNREFUSED`, `ERR_SSL_...`. */
export function codeOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** What went wrong, in the words of whoever threw it, with its code. */
export function reasonOf(thrown: unknown): string {
  // Errors that Node makes may come from another realm: no instanceof.
  const { message } = (thrown ?? {}) as { message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : undefined;
  const code = codeOf(thrown);
  if (text === undefined) return code ?? 'no reason given';
  return code === undefined || text.includes(code) ? text : `${text} (${code})`;
}
