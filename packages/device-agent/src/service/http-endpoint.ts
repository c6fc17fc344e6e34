import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { textOf } from '../errors.ts';
import { configError } from './config.ts';

/** What the endpoint answers from. */
export interface EndpointAnswers {
  /** The agent's loop moves. */
  readonly isAlive: () => boolean;
  /** There is a connection to the hub. */
  readonly isReady: () => boolean;
  readonly health: () => object;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
}

export interface HttpEndpoint {
  readonly port: number;
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
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG: the port can't be had
 */
export async function openEndpoint(
  place: { readonly host: string; readonly port: number },
  answers: EndpointAnswers,
): Promise<HttpEndpoint> {
  const server = createServer((request, response) => void respond(answers, request, response));
  server.listen(place.port, place.host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw configError(
      `health.port ${place.port} on ${place.host} can't be had: ${textOf(cause)}.`,
      'Give another one.',
      cause,
    );
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
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
