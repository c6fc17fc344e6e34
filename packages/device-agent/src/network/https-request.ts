import { once } from 'node:events';
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** An answer read whole. */
export interface HttpsAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpsRequest {
  readonly method: 'GET' | 'POST';
  /** Value of `Host`. */
  readonly host: string;
  readonly path: string;
  /** What is sent along, and the headers that describe it but for its length. */
  readonly content?: { readonly headers: Readonly<Record<string, string>>; readonly text: string } | undefined;
  readonly signal: AbortSignal;
}

/** Bytes; nothing that a device asks for comes near it. */
const longestAnswer = 1_048_576;

/** One request on a TLS connection that stands; the connection ends with it. */
export async function requestHttps(
  socket: TLSSocket,
  { method, host, path, content, signal }: HttpsRequest,
): Promise<HttpsAnswer> {
  const asked = request({
    createConnection: () => socket,
    method,
    path,
    signal,
    headers: { host, connection: 'close', ...content?.headers },
  });
  try {
    asked.end(content?.text);
    const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await readWhole(answer) };
  } finally {
    asked.on('error', () => undefined);
    socket.destroy();
  }
}

async function readWhole(answer: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    length += chunk.length;
    if (length > longestAnswer) throw new Error(`an answer of more than ${longestAnswer} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
