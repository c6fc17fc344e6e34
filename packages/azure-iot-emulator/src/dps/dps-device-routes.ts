import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { presentedChain } from '../tls/presented-chain.ts';
import type { DeviceClaim } from './device-claim.ts';
import type { DeviceRegistration } from './device-registration.ts';
import { DpsError } from './dps-error.ts';
import { sendDpsError, toDpsError } from './dps-error-reply.ts';

/** Options of {@link registerDpsDeviceRoutes}. */
export interface DpsDeviceOptions {
  readonly registration: DeviceRegistration;
  /** Unix milliseconds. */
  readonly now: () => number;
}

interface DeviceRoute {
  Params: { idScope: string; registrationId: string };
  Querystring: { 'api-version'?: string };
}

const DEVICE_PATH = '/:idScope/registrations/:registrationId';

/** Registers DPS's device API over HTTP: register, operation status, status look-up. */
export function registerDpsDeviceRoutes(app: FastifyInstance, { registration, now }: DpsDeviceOptions): void {
  app.setErrorHandler((error, _request, reply) => sendDpsError(reply, toDpsError(error), now()));
  app.setNotFoundHandler((request) => {
    throw new DpsError(
      'unsupported',
      `The emulator does not support ${request.method} ${request.url} of DPS's device API.`,
    );
  });
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('x-ms-request-id', randomUUID());
    done();
  });
  app.put<DeviceRoute>(`${DEVICE_PATH}/register`, async (request, reply) => {
    const body = await registration.register(claimOf(request), request.body);
    return reply
      .code(202)
      .header('Location', `https://${request.host}${request.url.split('?')[0] ?? ''}`)
      .header('Retry-After', String(registration.retryAfterSeconds))
      .send(body);
  });
  app.get<DeviceRoute & { Params: { operationId: string } }>(
    `${DEVICE_PATH}/operations/:operationId`,
    async (request, reply) => {
      const body = await registration.operationStatus(claimOf(request), request.params.operationId);
      if (body['status'] !== 'assigning') return body;
      return reply.code(202).header('Retry-After', String(registration.retryAfterSeconds)).send(body);
    },
  );
  app.post<DeviceRoute>(DEVICE_PATH, (request) => registration.lookUp(claimOf(request)));
}

function claimOf(request: FastifyRequest<DeviceRoute>): DeviceClaim {
  const apiVersion = request.query['api-version'];
  if (apiVersion === undefined) throw new DpsError('invalidArgument', 'The query parameter api-version is required.');
  return {
    ...request.params,
    apiVersion,
    presentedChain: presentedChain(request.raw.socket),
    signature: request.headers.authorization,
  };
}
