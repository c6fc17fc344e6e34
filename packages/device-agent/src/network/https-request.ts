import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** An answer read whole. */
export interface HttpsAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface HttpsRequest {
  readonly method: string;
  /** Value of `Host`. */
  readonly host: string;
  readonly path: string;
  /** JSON. */
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** One request on a TLS connection that stands; the connection ends with it. */
export async function requestHttps(
  socket: TLSSocket,
  { method, host, path, body, signal }: HttpsRequest,
): Promise<HttpsAnswer> {
  const asked = request({
    createConnection: () => socket,
    method,
    path,
    signal,
    headers: { host, connection: 'close', ...(body !== undefined && { 'content-type': 'application/json' }) },
  });
  try {
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() };
  } finally {
    socket.destroy();
  }
}
