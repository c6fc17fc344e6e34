import { request, type RequestOptions } from 'node:https';
import { json, text } from 'node:stream/consumers';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AzureIotEmulator } from '../src/index.ts';

/** One HTTPS request, written out: for what no client of Microsoft's shows or sends. */
export interface Call {
  readonly method: string;
  /** Host header; default `localhost` with the HTTPS port. */
  readonly host?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, a string as it is. */
  readonly body?: unknown;
  /** Client certificate. */
  readonly tls?: Pick<RequestOptions, 'cert' | 'key'>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed where it is JSON; undefined where it is empty. */
  readonly body: unknown;
}

export async function callHttps({ cloud, httpsPort }: AzureIotEmulator, call: Call): Promise<Answer> {
  const host = call.host ?? `localhost:${httpsPort}`;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: httpsPort,
        servername: host.replace(/:\d+$/, ''),
        ca: cloud.trustedRootsPem,
        method: call.method,
        path: call.path,
        headers: { host, ...call.headers },
        agent: false,
        ...call.tls,
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(call.body === undefined || typeof call.body === 'string' ? call.body : JSON.stringify(call.body));
  });
  const isJson = /json/.test(response.headers['content-type'] ?? '');
  const body = isJson ? await json(response) : (await text(response)) || undefined;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}
