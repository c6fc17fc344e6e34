import type { FastifyInstance } from 'fastify';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { checkResourcesApiVersion } from './api-version.ts';
import { GatewayError } from './arm-error.ts';
import { type ArmRequest, type ArmRoute, checkSubscription } from './arm-request.ts';
import type { ManagementPlane } from './management-plane.ts';
import type { ResourceGroup } from './resource-groups.ts';

const GROUP_PATH = '/subscriptions/:subscription/resourceGroups/:group';

/** Registers subscriptions and resource groups. */
export function registerSubscriptionRoutes(app: FastifyInstance, plane: ManagementPlane): void {
  const check = (request: ArmRequest) => {
    checkResourcesApiVersion(request.query['api-version']);
    if (request.params.subscription) checkSubscription(plane, request.params.subscription);
  };
  app.get<ArmRoute>('/subscriptions', (request) => {
    check(request);
    return { value: [subscriptionJson(plane)], count: { type: 'Total', value: 1 } };
  });
  app.get<ArmRoute>('/subscriptions/:subscription', (request) => {
    check(request);
    return subscriptionJson(plane);
  });
  app.get<ArmRoute>('/subscriptions/:subscription/resourceGroups', (request) => {
    check(request);
    return { value: plane.groups.list().map((group) => groupJson(plane, group)) };
  });
  app.head<ArmRoute>(GROUP_PATH, (request, reply) => {
    check(request);
    return reply.code(plane.groups.find(request.params.group) ? 204 : 404).send();
  });
  app.get<ArmRoute>(GROUP_PATH, (request) => {
    check(request);
    return groupJson(plane, plane.groups.get(request.params.group));
  });
  app.put<ArmRoute & { Body: unknown }>(GROUP_PATH, (request, reply) => {
    check(request);
    const { location, tags } = isJsonObject(request.body) ? request.body : {};
    if (typeof location !== 'string' || location === '') {
      throw new GatewayError('LocationRequired', 'The location property is required for this definition.');
    }
    const { group, isNew } = plane.groups.put(request.params.group, location, isJsonObject(tags) ? tags : undefined);
    return reply.code(isNew ? 201 : 200).send(groupJson(plane, group));
  });
  registerGroupDeletion(app, plane, check);
}

/** A group's deletion is polled at `Location`: 202 with the same headers until it is over, then 200 without a body. */
function registerGroupDeletion(
  app: FastifyInstance,
  plane: ManagementPlane,
  check: (request: ArmRequest) => void,
): void {
  const retryAfter = String(plane.options.operationRetryAfterSeconds ?? 15);
  app.delete<ArmRoute>(GROUP_PATH, (request, reply) => {
    check(request);
    const { name, location } = plane.groups.get(request.params.group);
    const { id } = plane.operations.start({ do: 'deleteGroup', name });
    const job = Buffer.from(
      JSON.stringify({ jobId: `RESOURCEGROUPDELETIONJOB-${id}`, jobLocation: location }),
    ).toString('base64url');
    const { subscriptionId } = plane.options;
    const version = request.query['api-version'] ?? '';
    return reply
      .code(202)
      .header(
        'Location',
        `https://${request.host}/subscriptions/${subscriptionId}/operationresults/${job}?api-version=${version}`,
      )
      .header('Retry-After', retryAfter)
      .send();
  });
  app.get<ArmRoute>('/subscriptions/:subscription/operationresults/:operation', (request, reply) => {
    check(request);
    const [, id = ''] =
      /RESOURCEGROUPDELETIONJOB-([0-9a-f-]+)/.exec(Buffer.from(request.params.operation, 'base64url').toString()) ?? [];
    if (plane.operations.get(id).look() === 'Succeeded') return reply.code(200).send();
    return reply
      .code(202)
      .header('Location', `https://${request.host}${request.url}`)
      .header('Retry-After', retryAfter)
      .send();
  });
}

function subscriptionJson({ options }: ManagementPlane): JsonObject {
  const { subscriptionId, tenantId } = options;
  return {
    id: `/subscriptions/${subscriptionId}`,
    authorizationSource: 'RoleBased',
    managedByTenants: [],
    subscriptionId,
    tenantId,
    displayName: 'Azure IoT emulator',
    state: 'Enabled',
    subscriptionPolicies: { locationPlacementId: 'Public_2014-09-01', quotaId: 'Emulator', spendingLimit: 'Off' },
  };
}

function groupJson({ options }: ManagementPlane, { name, location, tags }: ResourceGroup): JsonObject {
  return {
    id: `/subscriptions/${options.subscriptionId}/resourceGroups/${name}`,
    name,
    type: 'Microsoft.Resources/resourceGroups',
    location,
    ...(tags && { tags }),
    properties: { provisioningState: 'Succeeded' },
  };
}
