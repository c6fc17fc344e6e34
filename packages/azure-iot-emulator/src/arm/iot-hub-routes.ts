import type { FastifyInstance } from 'fastify';
import { isJsonObject } from '../hub/json.ts';
import { checkDevicesApiVersion } from './api-version.ts';
import { ProviderError } from './arm-error.ts';
import {
  addressOf,
  type ArmRequest,
  type ArmRoute,
  checkSubscription,
  operationToken,
  pendingOf,
  sendDeleteAccepted,
  sendOperationResult,
  sendPutAccepted,
} from './arm-request.ts';
import { registerCertificateRoutes } from './certificate-routes.ts';
import { acceptedIotHubJson, hubPolicyJson, iotHubJson } from './iot-hub-json.ts';
import { applyIotHubRequest, checkIotHubName, createIotHub, type IotHubResource } from './iot-hub-resource.ts';
import type { ManagementPlane } from './management-plane.ts';
import { checkNameAvailability, registerListRoutes } from './name-and-list-routes.ts';
import { checkUpdate, parseResourceRequest, requireActive, type ResourceRequest } from './resource.ts';

const TYPE = 'IotHubs';
const PATH = `/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.Devices/${TYPE}/:name`;
const LOCATION_PATH = '/subscriptions/:subscription/providers/Microsoft.Devices/locations/:location';

/** Registers the IoT Hubs of Resource Manager. */
export function registerIotHubRoutes(app: FastifyInstance, plane: ManagementPlane): void {
  const { iotHubs } = plane;
  const find = (request: ArmRequest): IotHubResource => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    const resource = iotHubs.get(addressOf(plane, request));
    resource.pending?.operation.look();
    return resource;
  };
  registerListRoutes(app, plane, { type: TYPE, resources: iotHubs, show: iotHubJson });
  checkNameAvailability(app, plane, { path: 'checkNameAvailability', resources: iotHubs });
  app.get<ArmRoute>(PATH, (request) => iotHubJson(find(request)));
  app.post<ArmRoute>(`${PATH}/listkeys`, (request) => ({
    value: find(request).hub.sharedAccessPolicies.map(hubPolicyJson),
  }));
  app.post<ArmRoute>(`${PATH}/IotHubKeys/:policy/listkeys`, (request) => {
    const policy = find(request).hub.sharedAccessPolicies.find(({ name }) => name === request.params.policy);
    if (policy === undefined) {
      throw new ProviderError(
        'resourceNotFound',
        `Key '${request.params.policy}' not found for '${request.params.name}'.`,
      );
    }
    return hubPolicyJson(policy);
  });
  app.get<ArmRoute>(`${LOCATION_PATH}/operationResults/:operation`, (request, reply) => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    return sendOperationResult(plane, request, reply);
  });
  registerChanges(app, plane, find);
  registerCertificateRoutes(app, { path: PATH, type: TYPE, findOwner: find, showsContent: true });
}

function registerChanges(
  app: FastifyInstance,
  plane: ManagementPlane,
  find: (request: ArmRequest) => IotHubResource,
): void {
  const { iotHubs, operations } = plane;
  const link = (resource: IotHubResource, id: string) => {
    const region = resource.location.toLowerCase().replaceAll(' ', '');
    const token = operationToken('ih', id, region);
    return {
      path: `/subscriptions/${plane.options.subscriptionId}/providers/Microsoft.Devices/locations/${region}/operationResults/${token}`,
      query: '&operationSource=other',
    };
  };
  app.put<ArmRoute>(PATH, (request, reply) => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    checkIotHubName(request.params.name);
    const wanted = parseResourceRequest(request.body, request.headers['if-match']);
    const { resource, isNew } = findOrCreate(plane, request, wanted);
    if (!isNew) checkUpdate(resource, wanted, TYPE);
    applyIotHubRequest(resource, wanted);
    if (isNew) iotHubs.add(resource);
    else iotHubs.changed(resource);
    const { id, operation } = operations.start(() => undefined);
    resource.pending = pendingOf(isNew ? 'create' : 'update', operation);
    return sendPutAccepted(plane, request, reply, {
      link: link(resource, id),
      body: acceptedIotHubJson(resource, wanted),
    });
  });
  app.patch<ArmRoute>(PATH, (request, reply) => {
    const resource = find(request);
    requireActive(resource);
    const { tags } = isJsonObject(request.body) ? request.body : {};
    if (isJsonObject(tags)) resource.tags = tags;
    iotHubs.changed(resource);
    return reply.send(iotHubJson(resource));
  });
  app.delete<ArmRoute>(PATH, (request, reply) => {
    const resource = find(request);
    requireActive(resource);
    const { id, operation } = operations.start(() => plane.deleteHub(resource));
    resource.pending = pendingOf('delete', operation);
    return sendDeleteAccepted(plane, request, reply, link(resource, id));
  });
}

function findOrCreate(
  plane: ManagementPlane,
  request: ArmRequest,
  wanted: ResourceRequest,
): { readonly resource: IotHubResource; readonly isNew: boolean } {
  const address = addressOf(plane, request);
  const stored = plane.iotHubs.find(address);
  if (stored !== undefined) return { resource: stored, isNew: false };
  if (plane.iotHubs.findByName(address.name) !== undefined) {
    throw new ProviderError('nameTaken', `IotHub name '${address.name}' not available.`);
  }
  const options = { ...plane.hubOptions(address.name), etag: plane.iotHubs.nextEtag() };
  return { resource: createIotHub(address, wanted, options), isNew: true };
}
