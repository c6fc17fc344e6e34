import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** What the webhook is to answer next: JSON with a status, or text as it is. */
export interface WebhookAnswer {
  readonly status?: number;
  readonly body?: unknown;
}

/** A request as a webhook of a custom allocation gets it. */
export interface WebhookRequest {
  readonly individualEnrollment?: Readonly<Record<string, unknown>>;
  readonly enrollmentGroup?: Readonly<Record<string, unknown>>;
  readonly deviceRuntimeContext: Readonly<Record<string, unknown>>;
  readonly linkedHubs: readonly string[];
}

/** A webhook on loopback, which answers as it is told and keeps what it was asked. */
export class Webhook {
  readonly requests: WebhookRequest[] = [];
  /** Makes the answer. */
  answer: (request: WebhookRequest) => WebhookAnswer | Promise<WebhookAnswer> = () => ({ status: 500 });
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      void (async () => {
        const asked = (await json(request)) as WebhookRequest;
        this.requests.push(asked);
        const { status = 200, body } = await this.answer(asked);
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
      })();
    });
  }

  /** With a secret in its query, as Azure Functions have it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/api/allocate?code=secret`;
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
