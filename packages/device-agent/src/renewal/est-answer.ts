import { DeviceAgentError, type DeviceAgentErrorCode } from '../errors.ts';
import type { CertificateFacts } from '../network/certificate-facts.ts';
import type { HttpsAnswer } from '../network/https-request.ts';

/** Who was asked for what, as whom. */
export interface EstQuestion {
  readonly name: string;
  readonly operation: string;
  readonly certificate: CertificateFacts;
}

/** Where a server says "later" and doesn't say when. */
const defaultPendingMs = 900_000;

const advices: Readonly<Record<number, string>> = {
  204: 'The server knows no CA certificates for this path: check its configuration, and the label.',
  400: 'The server does not take this request: see its log; it may want another kind of key or other names.',
  401: 'The server wants a user and password (HTTP authentication), which no device has: have it take the certificate.',
  403: 'The certificate is known there and may not be renewed: allow it, or look whether it was revoked.',
  404: 'No such path there: check URL and label, and that the server offers re-enrolment.',
};

/**
 * Lets an answer with certificates pass (RFC 7030 sections 4.1.3 and 4.2.3).
 *
 * @throws {DeviceAgentError} ERR_AGENT_RENEWAL_PENDING: 202; ERR_AGENT_RENEWAL_REFUSED: 3xx and 4xx, and 2xx of any other kind;
 *   ERR_AGENT_RENEWAL_UNREACHABLE: 429 and 5xx
 */
export function checkEstAnswer(answer: HttpsAnswer, question: EstQuestion): void {
  const { status, body } = answer;
  if (status === 200) return;
  const { name, operation, certificate } = question;
  const retryAfterMs = readRetryAfter(answer);
  if (status === 202) {
    throw new DeviceAgentError('ERR_AGENT_RENEWAL_PENDING', `${name} has not decided about the new certificate yet.`, {
      certificate,
      retryAfterMs: retryAfterMs ?? defaultPendingMs,
      advice: 'The device asks again with the same request; somebody may have to approve it there.',
    });
  }
  const code: DeviceAgentErrorCode =
    status === 429 || status >= 500 ? 'ERR_AGENT_RENEWAL_UNREACHABLE' : 'ERR_AGENT_RENEWAL_REFUSED';
  throw new DeviceAgentError(code, `${name} answered ${operation} with HTTP ${status}${reasonIn(body)}.`, {
    certificate,
    retryAfterMs,
    advice: adviceFor(answer),
  });
}

function adviceFor({ status, headers }: HttpsAnswer): string {
  if (headers.location !== undefined && status >= 300 && status < 400) {
    return `The server points to ${headers.location}: if that is right, make it the URL; the device follows nobody.`;
  }
  return (
    advices[status] ??
    (status >= 500 || status === 429
      ? 'The server has trouble of its own; the device tries again.'
      : 'See the log of the server for the reason.')
  );
}

/** Errors come as a line of text (RFC 7030 section 4.2.3); of a page of HTML nothing is shown. */
function reasonIn(body: Buffer): string {
  const text = body.toString('utf8', 0, 300).replace(/\s+/g, ' ').trim();
  return text === '' || text.startsWith('<') ? '' : `: ${text.replace(/\.$/, '')}`;
}

/** Seconds, or a date that counts from the server's own clock (RFC 9110 section 10.2.3). */
function readRetryAfter({ headers }: HttpsAnswer): number | undefined {
  const { 'retry-after': value = '', date = '' } = headers;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.parse(date);
  return Number.isFinite(milliseconds) ? Math.max(milliseconds, 0) : undefined;
}
