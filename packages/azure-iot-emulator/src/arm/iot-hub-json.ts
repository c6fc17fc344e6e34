import { createHash } from 'node:crypto';
import { formatTime } from '../hub/dotnet-time.ts';
import type { JsonObject } from '../hub/json.ts';
import type { SharedAccessPolicy } from '../hub/shared-access-policy.ts';
import { localAuthenticationJson } from './hub-settings.ts';
import type { IotHubResource } from './iot-hub-resource.ts';
import { type ResourceRequest, resourceId, stateOf } from './resource.ts';

/** Properties of a hub that the emulator doesn't act on, as every hub has them. */
export const UNCHANGING = {
  ipFilterRules: [],
  routing: {
    endpoints: { serviceBusQueues: [], serviceBusTopics: [], eventHubs: [], storageContainers: [] },
    routes: [],
    fallbackRoute: {
      name: '$fallback',
      source: 'DeviceMessages',
      condition: 'true',
      endpointNames: ['events'],
      isEnabled: true,
    },
  },
  storageEndpoints: { $default: { sasTtlAsIso8601: 'PT1H', connectionString: '', containerName: '' } },
  enableFileUploadNotifications: false,
  features: 'None',
  allowedFqdnList: [],
};

/** The order of rights in recorded answers; RegistryWrite includes reading there. */
export function hubPolicyJson({ name, rights, primaryKey, secondaryKey }: SharedAccessPolicy): JsonObject {
  const shown = rights.includes('RegistryWrite') ? rights.filter((right) => right !== 'RegistryRead') : rights;
  return { keyName: name, primaryKey, secondaryKey, rights: shown.join(', ') };
}

/** The answer to GET, key order as recorded. */
export function iotHubJson(resource: IotHubResource): JsonObject {
  const { hub, location, events, createdMs } = resource;
  const state = stateOf(resource);
  const isReady = state !== 'Activating';
  const name = hub.name.toLowerCase();
  const serial = createHash('sha256').update(name).digest();
  const endpoint = {
    partitionIds: Array.from({ length: events.partitionCount }, (_, index) => String(index)),
    path: name.slice(0, 25),
    endpoint: `sb://iothub-ns-${name.slice(0, 10)}-${String(serial.readUInt32BE(0)).padStart(8, '0').slice(0, 8)}-${serial.toString('hex', 4, 9)}.servicebus.windows.net/`,
  };
  return {
    ...commonJson(resource),
    etag: resource.etag,
    properties: {
      locations: [{ location, role: 'primary' }],
      state,
      provisioningState: state === 'Active' ? 'Succeeded' : state,
      ...(isReady && { hostName: hub.hostName }),
      eventHubEndpoints: { events: { ...events, ...(isReady && endpoint) } },
      ...propertiesInOrder(resource.messaging),
      ...localAuthenticationJson(resource.localAuthentication),
    },
    sku: resource.sku,
    identity: { type: 'None' },
    systemData: { createdAt: formatTime(createdMs) },
  };
}

/** Key order as recorded. */
function propertiesInOrder({ messagingEndpoints, cloudToDevice }: IotHubResource['messaging']): JsonObject {
  const { ipFilterRules, routing, storageEndpoints, enableFileUploadNotifications, ...others } = UNCHANGING;
  return {
    ...{ ipFilterRules, routing, storageEndpoints },
    ...{ messagingEndpoints, enableFileUploadNotifications, cloudToDevice },
    ...others,
  };
}

/** The 201 of a PUT: what was sent, on its way. */
export function acceptedIotHubJson(resource: IotHubResource, request: ResourceRequest): JsonObject {
  return {
    ...commonJson(resource),
    properties: {
      provisioningState: 'Accepted',
      ...request.properties,
      enableFileUploadNotifications: false,
      features: 'None',
      allowedFqdnList: [],
    },
    sku: resource.sku,
  };
}

function commonJson({ address, location, tags }: IotHubResource): JsonObject {
  return {
    id: resourceId(address, 'IotHubs'),
    name: address.name,
    type: 'Microsoft.Devices/IotHubs',
    location,
    tags,
    subscriptionid: address.subscriptionId,
    resourcegroup: address.resourceGroup,
  };
}
