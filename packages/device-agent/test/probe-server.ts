import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server for the probe URL. */
export interface ProbeServer {
  readonly url: string;
  close(): void;
}

export async function startProbeServer(
  answer: (response: ServerResponse) => void = (response) => response.writeHead(204).end(),
): Promise<ProbeServer> {
  const server = createServer((_request, response) => answer(response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/generate_204`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
