import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestWords } from './request-words.ts';
import { plainText } from '../plain-text.ts';
import { errorMessage } from './trace-text.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** As much of an error's body as the reason may stand in. */
const mostBytes = 16 * 1024;

/**
 * Explains each HTTP request in a line when it is answered, such as
 * `HTTP GET https://h1.azure-devices.localhost/twins/d1: reads the twin of d1: 404, refused: ErrorCode:DeviceNotFound;d1`.
 */
export function httpTrace(handle: Handler, write: (line: string) => void): Handler {
  return (request, response) => {
    const errorBody = keepErrorBody(response);
    const { method = '', url = '', headers } = request;
    const [path = '', query = ''] = url.split('?');
    const version = /(?:^|&)api-version=([^&]*)/.exec(query)?.[1];
    const shown = `${method} https://${headers.host ?? ''}${path}${version === undefined ? '' : `?api-version=${version}`}`;
    const words = requestWords(method, headers.host ?? '', path);
    const meaning = words === undefined ? '' : `: ${words}`;
    response.once('close', () => {
      const result = response.writableFinished ? resultOf(response.statusCode, errorBody()) : 'the client went away';
      write(`HTTP ${plainText(shown)}${meaning}: ${result}`);
    });
    handle(request, response);
  };
}

function resultOf(status: number, body: string): string {
  if (status < 400) return String(status);
  return `${status}, refused: ${plainText(errorMessage(body) ?? (body || 'no reason given'))}`;
}

/** Listens in on what the response writes; gives the body of an answer that is an error. */
function keepErrorBody(response: ServerResponse): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: unknown): void => {
    if (response.statusCode < 400 || bytes >= mostBytes) return;
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return;
    const kept = Buffer.from(chunk as string);
    bytes += kept.length;
    chunks.push(kept);
  };
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  response.write = ((...parts: Parameters<typeof write>) => {
    keep(parts[0]);
    return write(...parts);
  }) as typeof write;
  response.end = ((...parts: Parameters<typeof end>) => {
    keep(parts[0]);
    return end(...parts);
  }) as typeof end;
  return () => Buffer.concat(chunks).toString();
}
