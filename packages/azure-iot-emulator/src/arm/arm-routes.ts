import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessTokens } from '../entra/access-tokens.ts';
import { GatewayError, ProviderError } from './arm-error.ts';
import { iotHubKind } from './iot-hub-kind.ts';
import type { ManagementPlane } from './management-plane.ts';
import { provisioningServiceKind } from './provisioning-service-kind.ts';
import { registerResourceRoutes } from './resource-routes.ts';
import { registerSubscriptionRoutes } from './subscription-routes.ts';

/** Audiences of an Entra ID token for Resource Manager in the public cloud. */
export const MANAGEMENT_AUDIENCES = ['https://management.azure.com', 'https://management.core.windows.net'];

/** Options of {@link registerArmRoutes}. */
export interface ArmOptions {
  readonly plane: ManagementPlane;
  readonly tokens: AccessTokens;
  /** Base address under which clients reach Resource Manager; its tokens may be made for this too. */
  readonly origin: string;
}

/** Registers Resource Manager: who may call, what every answer carries, and the routes of all resources. */
export function registerArmRoutes(app: FastifyInstance, { plane, tokens, origin }: ArmOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    setCommonHeaders(reply, plane.options.now());
    await authenticate(request, reply, (bearer) => tokens.isValid(bearer, [...MANAGEMENT_AUDIENCES, origin]));
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, { reply, plane }));
  app.setNotFoundHandler((request) => {
    throw new GatewayError(
      'NotImplemented',
      `The emulator does not support ${request.method} ${request.url.split('?')[0] ?? ''}.`,
    );
  });
  registerSubscriptionRoutes(app, plane);
  registerResourceRoutes(app, plane, provisioningServiceKind(plane));
  registerResourceRoutes(app, plane, iotHubKind(plane));
}

/** Azure sends Strict-Transport-Security too; on localhost it would bind a browser's every other local server. */
function setCommonHeaders(reply: FastifyReply, nowMs: number): void {
  const requestId = randomUUID();
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '');
  reply.headers({
    'Cache-Control': 'no-cache',
    Pragma: 'no-cache',
    Expires: '-1',
    'X-Content-Type-Options': 'nosniff',
    'x-ms-request-id': requestId,
    'x-ms-correlation-request-id': requestId,
    'x-ms-routing-request-id': `LOCALHOST:${time}:${requestId}`,
  });
}

async function authenticate(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  isValid: (bearer: string) => Promise<boolean>,
): Promise<void> {
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer === undefined) {
    reply.header(
      'WWW-Authenticate',
      'Bearer error="invalid_token", error_description="The authentication failed because of missing \'Authorization\' header."',
    );
    throw new GatewayError('AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.");
  }
  if (!(await isValid(bearer))) {
    reply.header('WWW-Authenticate', 'Bearer error="invalid_token", error_description="The access token is invalid."');
    throw new GatewayError(
      'InvalidAuthenticationToken',
      `The access token is invalid: expected one of this emulator, in its time, for ${MANAGEMENT_AUDIENCES[0] ?? ''}.`,
    );
  }
}

function answerError(
  error: unknown,
  request: FastifyRequest,
  { reply, plane }: { readonly reply: FastifyReply; readonly plane: ManagementPlane },
): FastifyReply {
  const { now, log } = plane.options;
  if (error instanceof ProviderError || error instanceof GatewayError) {
    log(`Resource Manager ${request.method} ${request.url.split('?')[0] ?? ''}: ${error.code} ${error.message}`);
    if (error instanceof ProviderError) return reply.code(error.status).send(error.body(now()));
    return reply.code(error.status).header('x-ms-failure-cause', 'gateway').send(error.body());
  }
  // Fastify refuses a body that is no JSON or too large.
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500) {
    const refusal = new GatewayError('InvalidRequestContent', `The request content was invalid: ${error.message}`);
    return reply.code(refusal.status).send(refusal.body());
  }
  throw error;
}
