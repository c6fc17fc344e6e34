import type { Socket } from 'node:net';
import { ignoreErrors } from './socket-event.ts';

/** Status line and header fields of an HTTP/1.1 answer (RFC 9112). */
export interface HttpHead {
  readonly status: number;
  readonly statusText: string;
  /** By lower-case name; a field that comes several times has several values. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

export function isHttpHead(value: unknown): value is HttpHead {
  return typeof value === 'object' && value !== null && 'statusText' in value && 'headers' in value;
}

/** More than any proxy sends, in bytes. */
const maximumHeadLength = 16_384;

/** Reads up to the blank line; what follows it stays on the socket. Rejects, with the socket destroyed, with what ended the reading. */
export function readHttpHead(socket: Socket, signal: AbortSignal): Promise<HttpHead> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const settle = (act: () => void): void => {
      socket.off('readable', onReadable).off('error', fail).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (reason: Error): void => {
      settle(() => {
        ignoreErrors(socket);
        socket.destroy();
        reject(reason);
      });
    };
    const onClose = (): void => fail(new Error('closed by the other side'));
    const onAbort = (): void => fail(signal.reason as Error);
    const onReadable = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) {
        received = Buffer.concat([received, chunk]);
      }
      const end = received.indexOf('\r\n\r\n');
      if (end < 0 && received.length <= maximumHeadLength) return;
      const head = end < 0 ? undefined : parseHead(received.toString('latin1', 0, end));
      if (!head) {
        fail(new Error('what answers there is not HTTP'));
        return;
      }
      const rest = received.subarray(end + 4);
      settle(() => {
        if (rest.length > 0) socket.unshift(rest);
        resolve(head);
      });
    };
    socket.on('readable', onReadable).on('error', fail).on('close', onClose);
    signal.addEventListener('abort', onAbort);
  });
}

function parseHead(text: string): HttpHead | undefined {
  const [statusLine = '', ...fields] = text.split('\r\n');
  const [, status, statusText = ''] = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine) ?? [];
  if (status === undefined) return undefined;
  const headers: Record<string, string[]> = {};
  for (const field of fields) {
    const colon = field.indexOf(':');
    (headers[field.slice(0, colon).toLowerCase()] ??= []).push(field.slice(colon + 1).trim());
  }
  return { status: Number(status), statusText, headers };
}
