import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { plainText } from './plain-text.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Lets no request through that another site's page made; those are answered with 403. */
export function guardOrigin(handle: Handler, log: (line: string) => void): Handler {
  return (request, response) => {
    const message = originProblem(request.headers);
    if (message === undefined) {
      handle(request, response);
      return;
    }
    log(`HTTP refused ${request.method ?? ''} ${plainText(request.url ?? '')}: ${plainText(message)}`);
    refuseRequest(response, 403, { code: 'ForeignOrigin', message });
  };
}

/** Answers before any plane does. */
export function refuseRequest(
  response: ServerResponse,
  status: 403 | 421,
  error: { readonly code: string; readonly message: string },
): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify({ error }));
}

/**
 * Why a request may not be answered though it is for one of our hosts: a page of another site made a browser send it.
 * Undefined for everybody else; Microsoft's clients and tools send none of these headers.
 *
 * @param headers - `Origin` (RFC 6454) and `Sec-Fetch-Site` (W3C Fetch Metadata) decide
 */
export function originProblem(headers: IncomingHttpHeaders): string | undefined {
  const { origin, host = '' } = headers;
  if (origin !== undefined && !isSameOrigin(origin, host)) {
    return `The emulator answers no requests of web pages from elsewhere; this one comes from '${origin.slice(0, 200)}'.`;
  }
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  return `The emulator answers no requests of web pages from elsewhere (Sec-Fetch-Site: ${site.slice(0, 50)}).`;
}

/** The emulator has no other scheme than https. */
function isSameOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase() === `https://${host.toLowerCase()}`;
}
