import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { textOf } from '../errors.ts';

/** What the endpoint answers from. */
export interface EndpointAnswers {
  /** The agent's loop moves. */
  readonly isAlive: () => boolean;
  /** There is a connection to the hub. */
  readonly isReady: () => boolean;
  readonly health: () => object;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface EndpointOptions {
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
  readonly answers: EndpointAnswers;
  /** Gets the port, now or later. */
  readonly onOpen: (port: number) => void;
  /** Gets why there is no endpoint yet; once, however often it is tried. */
  readonly onProblem: (message: string) => void;
  /** Milliseconds to the next try where the port can't be had. Default one minute. */
  readonly retryMs?: number;
}

export interface HttpEndpoint {
  close(): void;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/**
 * `/healthz` (200 while the loop moves), `/readyz` (200 while connected), `/metrics` (Prometheus), `/status` (JSON): for reading
 * only, without a secret in it.
 *
 * Resolves when the port was tried: where it can't be had, the device does its work meanwhile.
 */
export async function openEndpoint(options: EndpointOptions): Promise<HttpEndpoint> {
  const { host, port, answers, onOpen, onProblem, retryMs = 60_000 } = options;
  const server = createServer((request, response) => void respond(answers, request, response));
  const listen = (): unknown => server.listen(port, host);
  let retry: NodeJS.Timeout | undefined;
  let isTold = false;
  server.on('listening', () => onOpen((server.address() as AddressInfo).port));
  await new Promise<void>((resolve) => {
    server.once('listening', resolve);
    server.on('error', (cause) => {
      if (!isTold) onProblem(`health.port ${port} on ${host} can't be had, and is tried again: ${textOf(cause)}`);
      isTold = true;
      if (!server.listening) retry = setTimeout(listen, retryMs).unref();
      resolve();
    });
    listen();
  });
  return {
    close: () => {
      clearTimeout(retry);
      server.close();
      server.closeAllConnections();
    },
  };
}

async function respond(answers: EndpointAnswers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, contentType, text } =
    request.method === 'GET' || request.method === 'HEAD'
      ? await answer(answers, request.url ?? '/')
      : plain(405, 'only GET and HEAD');
  response.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : text);
}

async function answer({ isAlive, isReady, health, metrics }: EndpointAnswers, url: string): Promise<Answer> {
  switch (url.split('?')[0]) {
    case '/healthz':
      return isAlive() ? plain(200, 'alive') : plain(503, "the agent's loop doesn't move");
    case '/readyz':
      return isReady() ? plain(200, 'connected') : plain(503, 'not connected');
    case '/status':
      return { status: 200, contentType: 'application/json', text: JSON.stringify(health()) };
    case '/metrics':
      return { status: 200, ...(await metrics()) };
    default:
      return plain(404, '/healthz /readyz /metrics /status');
  }
}

const plain = (status: number, text: string): Answer => ({ status, contentType: 'text/plain', text: `${text}\n` });
