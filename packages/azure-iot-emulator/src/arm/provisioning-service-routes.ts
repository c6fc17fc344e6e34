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
import type { ManagementPlane } from './management-plane.ts';
import { checkNameAvailability, registerListRoutes } from './name-and-list-routes.ts';
import {
  applyProvisioningServiceRequest,
  checkProvisioningServiceName,
  createProvisioningService,
  type ProvisioningService,
} from './provisioning-service.ts';
import { acceptedProvisioningServiceJson, policyJson, provisioningServiceJson } from './provisioning-service-json.ts';
import { checkUpdate, parseResourceRequest, requireActive, resourceId } from './resource.ts';

const TYPE = 'provisioningServices';
const PATH = `/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.Devices/${TYPE}/:name`;

/** Registers the Device Provisioning Services of Resource Manager. */
export function registerProvisioningServiceRoutes(app: FastifyInstance, plane: ManagementPlane): void {
  const { provisioningServices, options } = plane;
  const show = (service: ProvisioningService) => provisioningServiceJson(service, options.hosts);
  const find = (request: ArmRequest): ProvisioningService => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    const service = provisioningServices.get(addressOf(plane, request));
    service.pending?.operation.look();
    return service;
  };
  registerListRoutes(app, plane, { type: TYPE, resources: provisioningServices, show });
  checkNameAvailability(app, plane, {
    path: 'checkProvisioningServiceNameAvailability',
    resources: provisioningServices,
  });
  app.get<ArmRoute>(PATH, (request) => show(find(request)));
  app.get<ArmRoute>(`${PATH}/skus`, (request) => {
    find(request);
    return { value: [{ name: 'S1' }] };
  });
  app.post<ArmRoute>(`${PATH}/listkeys`, (request) => ({
    value: find(request).instance.settings.policies.map(policyJson),
  }));
  app.post<ArmRoute>(`${PATH}/keys/:policy/listkeys`, (request) => {
    const { policies } = find(request).instance.settings;
    const policy = policies.find(({ name }) => name === request.params.policy);
    if (policy === undefined) {
      throw new ProviderError(
        'resourceNotFound',
        `Key '${request.params.policy}' not found for '${request.params.name}'.`,
      );
    }
    return policyJson(policy);
  });
  app.get<ArmRoute>(`${PATH}/operationResults/:operation`, (request, reply) => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    return sendOperationResult(plane, request, reply);
  });
  registerChanges(app, plane, find);
  registerCertificateRoutes(app, { path: PATH, type: TYPE, findOwner: find, showsContent: false });
}

function registerChanges(
  app: FastifyInstance,
  plane: ManagementPlane,
  find: (request: ArmRequest) => ProvisioningService,
): void {
  const { provisioningServices, operations } = plane;
  const link = (service: ProvisioningService, id: string) => ({
    path: `${resourceId(service.address, TYPE)}/operationResults/${operationToken('id', id, service.location)}`,
  });
  app.put<ArmRoute>(PATH, (request, reply) => {
    checkDevicesApiVersion(TYPE, request.query['api-version']);
    checkProvisioningServiceName(request.params.name);
    const wanted = parseResourceRequest(request.body, request.headers['if-match']);
    const { service, isNew } = findOrCreate(plane, request, wanted);
    if (!isNew) checkUpdate(service, wanted, TYPE);
    const { linkedHubKey } = plane.assumptions;
    applyProvisioningServiceRequest(service, wanted, linkedHubKey === 'check' ? plane.hubs : undefined);
    if (isNew) provisioningServices.add(service);
    else provisioningServices.changed(service);
    const { id, operation } = operations.start(() => undefined);
    service.pending = pendingOf(isNew ? 'create' : 'update', operation);
    const body = acceptedProvisioningServiceJson(service, wanted, isNew);
    return sendPutAccepted(plane, request, reply, { link: link(service, id), body });
  });
  app.patch<ArmRoute>(PATH, (request, reply) => {
    const service = find(request);
    requireActive(service);
    const { tags } = isJsonObject(request.body) ? request.body : {};
    if (isJsonObject(tags)) service.tags = tags;
    provisioningServices.changed(service);
    return reply.send(provisioningServiceJson(service, plane.options.hosts));
  });
  app.delete<ArmRoute>(PATH, (request, reply) => {
    const service = find(request);
    requireActive(service);
    const { id, operation } = operations.start(() => plane.deleteProvisioningService(service));
    service.pending = pendingOf('delete', operation);
    return sendDeleteAccepted(plane, request, reply, link(service, id));
  });
}

function findOrCreate(
  plane: ManagementPlane,
  request: ArmRequest,
  wanted: ReturnType<typeof parseResourceRequest>,
): { readonly service: ProvisioningService; readonly isNew: boolean } {
  const address = addressOf(plane, request);
  const stored = plane.provisioningServices.find(address);
  if (stored !== undefined) return { service: stored, isNew: false };
  if (plane.provisioningServices.findByName(address.name) !== undefined) {
    throw new ProviderError('nameTaken', `Provisioning Service name '${address.name}' not available.`);
  }
  const service = createProvisioningService(address, wanted, {
    ...plane.instanceOptions(address.name),
    etag: plane.provisioningServices.nextEtag(),
  });
  return { service, isNew: true };
}
