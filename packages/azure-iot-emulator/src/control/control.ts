import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ManagementPlane } from '../arm/management-plane.ts';
import { EmulatorError } from '../errors.ts';
import type { Ground } from '../ground.ts';
import { createHttpApp } from '../http-app.ts';
import type { WorldsApi } from '../worlds.ts';
import { registerControlRoutes } from './control-routes.ts';

/** What the emulator's own interface works on. */
export interface ControlOptions extends WorldsApi {
  readonly ground: Ground;
  readonly management: () => ManagementPlane;
}

/** The emulator's own interface, under `/emulator/` of the management host. */
export interface Control {
  handle(request: IncomingMessage, response: ServerResponse): void;
  close(): Promise<void>;
}

/**
 * Everything but `ready` and `health` needs the service principal's ID and secret (RFC 7617), as snapshots hold keys. No
 * request of another site's page comes this far.
 */
export async function createControl(options: ControlOptions): Promise<Control> {
  const { ground } = options;
  const app = createHttpApp({ committed: ground.committed });
  app.setErrorHandler((error, _request, reply) => sendError(error, reply));
  app.setNotFoundHandler((request, reply) =>
    refuse(reply, 404, `The emulator has no ${request.method} ${request.url.split('?')[0] ?? ''}.`),
  );
  app.addHook('onRequest', async (request, reply) => admit(ground, request, reply));
  registerControlRoutes(app, options);
  await app.ready();
  return { handle: (request, response) => app.routing(request, response), close: () => closeApp(app) };
}

async function closeApp(app: FastifyInstance): Promise<void> {
  await app.close();
}

function admit({ cloud }: Ground, request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const { authorization = '' } = request.headers;
  if (/^\/emulator\/(?:ready|health)\/?(?:\?|$)/i.test(request.url)) return undefined;
  const { clientId, clientSecret } = cloud.servicePrincipal;
  const wanted = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  if (timingSafeEqual(digest(authorization), digest(wanted))) return undefined;
  reply.header('WWW-Authenticate', 'Basic realm="azure-iot-emulator"');
  return refuse(reply, 401, "Needs the service principal's client ID and secret, which cloud.json holds.");
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ error: { code: 'ERR_EMULATOR_REQUEST', message } });
}

function sendError(error: unknown, reply: FastifyReply): FastifyReply {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof EmulatorError) return reply.code(400).send({ error: { code: error.code, message } });
  const { statusCode = error instanceof RangeError ? 400 : 500 } = error as { readonly statusCode?: number };
  return refuse(reply, statusCode, message);
}
