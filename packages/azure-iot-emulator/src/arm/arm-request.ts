import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from './arm-error.ts';
import type { ManagementPlane } from './management-plane.ts';
import type { ResourceAddress } from './resource.ts';

/** Path parameters of every route of Resource Manager. */
export interface ArmRoute {
  Params: { subscription: string; group: string; name: string; certificate: string; policy: string; operation: string };
  Querystring: { 'api-version'?: string };
}

/** A request of such a route. */
export type ArmRequest = FastifyRequest<ArmRoute>;

/** @throws {GatewayError} SubscriptionNotFound */
export function checkSubscription(plane: ManagementPlane, subscriptionId: string): void {
  if (subscriptionId.toLowerCase() === plane.options.subscriptionId) return;
  throw new GatewayError('SubscriptionNotFound', `The subscription '${subscriptionId}' could not be found.`);
}

/**
 * The resource that a path names; its group has to exist.
 *
 * @throws {GatewayError} SubscriptionNotFound, ResourceGroupNotFound
 */
export function addressOf(plane: ManagementPlane, { params }: ArmRequest): ResourceAddress {
  checkSubscription(plane, params.subscription);
  return {
    subscriptionId: plane.options.subscriptionId,
    resourceGroup: plane.groups.get(params.group).name,
    name: params.name,
  };
}

/** What the answers that start a long-running operation point to. */
export interface OperationLink {
  /** Path of the operation's result, without query. */
  readonly path: string;
  /** Query parameters before `asyncinfo`, for example `&operationSource=other`. */
  readonly query?: string;
}

/** DELETE as recorded: 202, the body `null`, and both headers. */
export function sendDeleteAccepted(
  plane: ManagementPlane,
  request: ArmRequest,
  reply: FastifyReply,
  link: OperationLink,
): FastifyReply {
  const url = operationUrl(request, link);
  return reply
    .code(202)
    .header('Azure-AsyncOperation', `${url}&asyncinfo`)
    .header('Location', url)
    .header('Retry-After', String(plane.options.operationRetryAfterSeconds ?? 15))
    .type('application/json; charset=utf-8')
    .send('null');
}

/** PUT as recorded: 201 whether new or not, with `Azure-AsyncOperation` alone. */
export function sendPutAccepted(
  plane: ManagementPlane,
  request: ArmRequest,
  reply: FastifyReply,
  answer: { readonly link: OperationLink; readonly body: object },
): FastifyReply {
  const { operationRetryAfterSeconds } = plane.options;
  if (operationRetryAfterSeconds !== undefined) reply.header('Retry-After', String(operationRetryAfterSeconds));
  return reply
    .code(201)
    .header('Azure-AsyncOperation', `${operationUrl(request, answer.link)}&asyncinfo`)
    .send(answer.body);
}

/**
 * A poll: with `asyncinfo` the status alone; the same address without it is where Location points to.
 *
 * @throws {GatewayError} OperationNotFound
 */
export function sendOperationResult(plane: ManagementPlane, request: ArmRequest, reply: FastifyReply): FastifyReply {
  const [, id = ''] =
    /^id=os_(?:id|ih)_([0-9a-f-]+);/.exec(Buffer.from(request.params.operation, 'base64').toString()) ?? [];
  const status = plane.operations.get(id).look();
  const { operationRetryAfterSeconds } = plane.options;
  if ('asyncinfo' in request.query) {
    // Recorded polls have no Retry-After; a client that is asked to wait a little should keep to it while it polls.
    if (operationRetryAfterSeconds !== undefined) reply.header('Retry-After', String(operationRetryAfterSeconds));
    return reply.send({ status });
  }
  return reply
    .code(status === 'Running' ? 202 : 200)
    .header('Location', `https://${request.host}${request.url}`)
    .header('Retry-After', String(operationRetryAfterSeconds ?? 15))
    .send();
}

function operationUrl(request: ArmRequest, { path, query = '' }: OperationLink): string {
  return `https://${request.host}${path}?api-version=${request.query['api-version'] ?? ''}${query}`;
}

/** The opaque last part of an operation's path, as recorded since 2021: base64 with its padding. */
export function operationToken(kind: 'id' | 'ih', id: string, location: string): string {
  const region = location.toLowerCase().replaceAll(' ', '');
  return Buffer.from(`id=os_${kind}_${id};region=${region}`).toString('base64');
}
