import type { ProvisioningPolicy } from '../dps/provisioning-instance.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { linkedHubJson } from './linked-hub.ts';
import { ALLOCATION_POLICIES, type ProvisioningService } from './provisioning-service.ts';
import { type ResourceRequest, resourceId, stateOf } from './resource.ts';

/** Host names in a DPS's answers. */
export interface ProvisioningHosts {
  /** `global.azure-devices-provisioning.localhost:8883`. */
  readonly deviceEndpoint: string;
  /** What follows `{name}.`: `azure-devices-provisioning.localhost:8443`. */
  readonly serviceSuffix: string;
}

/** One entry of `listkeys`. */
export function policyJson({ name, rights, primaryKey, secondaryKey }: ProvisioningPolicy): JsonObject {
  return { keyName: name, primaryKey, secondaryKey, rights: rights.join(', ') };
}

/** The answer to GET, key order as recorded. */
export function provisioningServiceJson(service: ProvisioningService, hosts: ProvisioningHosts): JsonObject {
  const { instance, etag } = service;
  const state = stateOf(service);
  const isReady = state !== 'Activating';
  return {
    etag,
    ...commonJson(service),
    properties: {
      state,
      provisioningState: state === 'Active' ? 'Succeeded' : 'Accepted',
      iotHubs: service.linkedHubs.map((entry) => linkedHubJson(entry)),
      allocationPolicy: allocationPolicyJson(service),
      ...(isReady && {
        serviceOperationsHostName: `${instance.name}.${hosts.serviceSuffix}`,
        deviceProvisioningHostName: hosts.deviceEndpoint,
      }),
      idScope: instance.idScope,
    },
    ...trailingJson(service),
    sku: service.sku,
  };
}

/** The 201 of a PUT: nothing is said of hosts and scope yet, and linked hubs come back as they were sent. */
export function acceptedProvisioningServiceJson(
  service: ProvisioningService,
  request: ResourceRequest,
  isNew: boolean,
): JsonObject {
  const { iotHubs, authorizationPolicies } = request.properties;
  return {
    ...(!isNew && request.etag !== undefined && { etag: request.etag }),
    ...commonJson(service),
    properties: {
      state: isNew ? 'Activating' : 'Transitioning',
      provisioningState: 'Accepted',
      ...(iotHubs != null && { iotHubs: echoHubs(service, iotHubs) }),
      allocationPolicy: allocationPolicyJson(service),
      ...(authorizationPolicies != null && {
        authorizationPolicies: service.instance.settings.policies.map(policyJson),
      }),
      idScope: null,
    },
    ...trailingJson(service),
    sku: service.sku,
  };
}

function echoHubs(service: ProvisioningService, sent: unknown): JsonObject[] {
  const connectionStrings = Array.isArray(sent)
    ? sent.map((item: unknown) => (isJsonObject(item) ? item['connectionString'] : ''))
    : [];
  return service.linkedHubs.map((entry, index) => ({
    ...linkedHubJson(entry),
    ...(connectionStrings[index] !== undefined && { connectionString: connectionStrings[index] }),
  }));
}

function allocationPolicyJson({ instance }: ProvisioningService): string {
  const { allocationPolicy } = instance.settings;
  return ALLOCATION_POLICIES.find((name) => name.toLowerCase() === allocationPolicy.toLowerCase()) ?? 'Hashed';
}

function commonJson({ address, location }: ProvisioningService): JsonObject {
  return { name: address.name, location };
}

function trailingJson({ address, tags }: ProvisioningService): JsonObject {
  return {
    resourcegroup: address.resourceGroup,
    type: 'Microsoft.Devices/provisioningServices',
    id: resourceId(address, 'provisioningServices'),
    subscriptionid: address.subscriptionId,
    tags,
  };
}
