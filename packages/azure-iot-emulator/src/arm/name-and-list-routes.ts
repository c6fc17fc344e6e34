import type { FastifyInstance } from 'fastify';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { checkDevicesApiVersion, type DevicesType } from './api-version.ts';
import { GatewayError } from './arm-error.ts';
import { type ArmRoute, checkSubscription } from './arm-request.ts';
import type { ManagementPlane } from './management-plane.ts';
import type { Resource, Resources } from './resource.ts';

const SUBSCRIPTION_PATH = '/subscriptions/:subscription';
const PROVIDER_PATH = 'providers/Microsoft.Devices';

/** Registers the lists by resource group and by subscription. */
export function registerListRoutes<Item extends Resource>(
  app: FastifyInstance,
  plane: ManagementPlane,
  {
    type,
    resources,
    show,
  }: { readonly type: DevicesType; readonly resources: Resources<Item>; readonly show: (item: Item) => JsonObject },
): void {
  app.get<ArmRoute>(`${SUBSCRIPTION_PATH}/resourceGroups/:group/${PROVIDER_PATH}/${type}`, (request) => {
    checkDevicesApiVersion(type, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    return { value: resources.list(plane.groups.get(request.params.group).name).map(show) };
  });
  app.get<ArmRoute>(`${SUBSCRIPTION_PATH}/${PROVIDER_PATH}/${type}`, (request) => {
    checkDevicesApiVersion(type, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    return { value: resources.list().map(show) };
  });
}

/** Registers the question whether a name is free. A free one is answered with reason `Invalid`, as recorded. */
export function checkNameAvailability<Item extends Resource>(
  app: FastifyInstance,
  plane: ManagementPlane,
  { path, resources, label }: { readonly path: string; readonly resources: Resources<Item>; readonly label: string },
): void {
  app.post<ArmRoute & { Body: unknown }>(`${SUBSCRIPTION_PATH}/${PROVIDER_PATH}/${path}`, (request) => {
    checkDevicesApiVersion(resources.type, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    const { name } = isJsonObject(request.body) ? request.body : {};
    if (typeof name !== 'string') {
      throw new GatewayError('InvalidRequestContent', 'The request content was invalid: expected { "name": ".." }.');
    }
    if (resources.findByName(name) === undefined) return { nameAvailable: true, reason: 'Invalid', message: null };
    return { nameAvailable: false, reason: 'AlreadyExists', message: `${label} name '${name}' is not available` };
  });
}
