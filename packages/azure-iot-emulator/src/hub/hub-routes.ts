import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessTokens } from '../entra/access-tokens.ts';
import { bulkOperations } from './bulk-operations.ts';
import { feedbackOperations } from './feedback-operations.ts';
import { plainText } from '../plain-text.ts';
import type { HubDirectory } from './hub-directory.ts';
import { classicErrorBody, type ErrorContext, HubError, methodErrorBody } from './hub-error.ts';
import { requireStandard } from './hub-tier.ts';
import { identityOperations } from './identity-operations.ts';
import type { IotHub } from './iot-hub.ts';
import type { JsonValue } from './json.ts';
import { messageOperations } from './message-operations.ts';
import { moduleOperations } from './module-operations.ts';
import { authorizeCall } from './service-authorization.ts';
import type { ServiceOperation, ServiceReply, ServiceRequest } from './service-operation.ts';
import { twinOperations } from './twin-operations.ts';

/** Options of {@link registerHubRoutes}. */
export interface HubRoutesOptions {
  readonly hubs: HubDirectory;
  readonly tokens: AccessTokens;
  /** Milliseconds since 1970; default `Date.now`. Only for answers that no hub gives. */
  readonly now?: () => number;
  /** Gets one line for each call that is refused. Default: nothing is logged. */
  readonly log?: (line: string) => void;
}

/** Names of hubs, here and in Azure; never those of DPS. */
const hubHost = /^[^.]+\.(?:device\.|service\.)?azure-devices\.[a-z.]+(?::\d+)?$/i;

/** Versions that Microsoft's clients send and whose shapes are the same as far as known. */
const apiVersions = ['2020-09-30', '2021-04-12', '2024-03-31'];

const operations: readonly ServiceOperation[] = [
  ...identityOperations,
  ...bulkOperations,
  ...moduleOperations,
  ...twinOperations,
  ...messageOperations,
  ...feedbackOperations,
];

/**
 * Adds the service plane of all hubs to an app made by `createHttpApp`. Its routes are bound to hubs' host names; the
 * last one takes every other request there and says that the emulator doesn't know the operation.
 */
export function registerHubRoutes(app: FastifyInstance, options: HubRoutesOptions): void {
  void app.register((scope, _options, done) => {
    scope.setErrorHandler((error, request, reply) => sendError(error, { request, reply, options }));
    const constraints = { host: hubHost };
    for (const operation of operations) {
      scope.route({
        method: operation.method,
        url: operation.path,
        constraints,
        config: { errors: operation.errors ?? 'classic' },
        handler: (request, reply) => answer(operation, { request, reply, options }),
      });
    }
    scope.all('/*', { constraints }, (request) => {
      hubOf(request, options);
      throw new HubError('NotImplemented', {
        text: `the emulator does not support ${request.method} ${pathOf(request)} of IoT Hub`,
      });
    });
    done();
  });
}

interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly options: HubRoutesOptions;
}

async function answer(operation: ServiceOperation, { request, reply, options }: Exchange): Promise<FastifyReply> {
  const hub = hubOf(request, options);
  const { authorization } = request.headers;
  const path = pathOf(request).replace(/^\/|\/$/g, '');
  await authorizeCall(hub, options.tokens, { authorization, path, right: operation.right });
  if (operation.standardOnly !== undefined) requireStandard(hub.quotas.tier, operation.standardOnly);
  const query = request.query as Record<string, string | undefined>;
  if (operation.isEmulatorsOwn !== true) checkApiVersion(query['api-version'], request.url);
  const call: ServiceRequest = {
    hub,
    query,
    params: request.params as Record<string, string | undefined>,
    headers: request.headers as Record<string, string | undefined>,
    body: request.body as JsonValue | undefined,
  };
  await meter(operation, call);
  return send(reply, await operation.handle(call));
}

/** @throws {HubError} ThrottlingException, IotHubQuotaExceeded */
async function meter({ meter: name, amount, isMessage }: ServiceOperation, call: ServiceRequest): Promise<void> {
  const { quotas } = call.hub;
  if (isMessage) quotas.countMessage(JSON.stringify(call.body ?? null).length);
  if (name !== undefined) await quotas.pass(name, amount?.(call));
}

function send(reply: FastifyReply, { status, body, stream, headers = {} }: ServiceReply): FastifyReply {
  return reply
    .code(status)
    .headers({ 'x-ms-request-id': randomUUID(), ...headers })
    .send(stream ?? body);
}

/** `FastifyError` of the parser is a client's mistake, everything unknown is ours. */
function sendError(error: unknown, { request, reply, options }: Exchange): void {
  const hubError = toHubError(error);
  const context = errorContext(options);
  options.log?.(
    `hub service refused ${request.method} ${plainText(`${request.host}${pathOf(request)}`)}: ${hubError.code} ` +
      `${hubError.errorName} ${plainText(hubError.message)} (tracking ID ${context.trackingId})`,
  );
  const { errors } = request.routeOptions.config as { readonly errors?: ServiceOperation['errors'] };
  const body = errors === 'method' ? methodErrorBody(hubError, context) : classicErrorBody(hubError, context);
  void reply
    .code(hubError.status)
    .headers({
      'x-ms-request-id': randomUUID(),
      'iothub-errorcode': hubError.errorName,
      ...(hubError.retryAfterSeconds !== undefined && { 'retry-after': String(hubError.retryAfterSeconds) }),
    })
    .send(body);
}

function toHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const { statusCode, message } = error as { readonly statusCode?: number; readonly message?: string };
  if (statusCode === 413) return new HubError('MessageTooLarge');
  if (statusCode !== undefined && statusCode < 500) return new HubError('IotHubFormatError', { text: message ?? '' });
  return new HubError('ServerError', { text: `InternalServerError (a fault of the emulator: ${String(error)})` });
}

function hubOf(request: FastifyRequest, { hubs }: HubRoutesOptions): IotHub {
  const hostName = request.headers.host ?? '';
  const hub = hubs.findByHostName(hostName);
  if (!hub) throw new HubError('IotHubNotFound', { text: `there is no hub ${hostName}` });
  return hub;
}

function errorContext({ now = Date.now }: HubRoutesOptions): ErrorContext {
  return { nowMs: now(), trackingId: randomUUID().replaceAll('-', '') };
}

function checkApiVersion(version: string | undefined, uri: string): void {
  if (version !== undefined && apiVersions.includes(version)) return;
  throw new HubError('ArgumentInvalid', {
    text: `Unknown api version '${version ?? ''}', known are ${apiVersions.join(', ')}. uri: ${uri}`,
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}
