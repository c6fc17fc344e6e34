import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ConnectionLimits } from './connection-limits.ts';

/** An HTTP server that never listens: connections are handed to it, and it watches over slow ones as if it did. */
export function createHandedHttpServer(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  { headersMs, requestMs, idleMs }: ConnectionLimits,
): Server {
  const server = createServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: Math.ceil(headersMs / 4),
    },
    handle,
  );
  // node:http begins to look for requests that take too long when it listens.
  server.emit('listening');
  return server;
}
