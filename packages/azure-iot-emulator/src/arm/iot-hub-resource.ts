import { createHash } from 'node:crypto';
import { formatTime } from '../hub/dotnet-time.ts';
import { IotHub, type IotHubOptions } from '../hub/iot-hub.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import type { SharedAccessPolicy } from '../hub/shared-access-policy.ts';
import { ProviderError } from './arm-error.ts';
import { CaCertificates } from './ca-certificates.ts';
import {
  parseSku,
  type Resource,
  type ResourceAddress,
  type ResourceRequest,
  resourceId,
  stateOf,
} from './resource.ts';
import { refuseUnsupported } from './unsupported-property.ts';

/** An IoT Hub as Resource Manager has it. */
export interface IotHubResource extends Resource {
  readonly hub: IotHub;
  readonly certificates: CaCertificates;
  events: { readonly retentionTimeInDays: number; readonly partitionCount: number };
}

const SKUS = ['F1', 'S1', 'S2', 'S3', 'B1', 'B2', 'B3'];

const FEEDBACK = { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 };

/** Properties of a hub that the emulator doesn't act on, as every hub has them. */
const FIXED_PROPERTIES = {
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
  messagingEndpoints: { fileNotifications: FEEDBACK },
  enableFileUploadNotifications: false,
  cloudToDevice: { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H', feedback: FEEDBACK },
  features: 'None',
  allowedFqdnList: [],
};

const UNSUPPORTED = {
  ...FIXED_PROPERTIES,
  authorizationPolicies: [],
  publicNetworkAccess: 'Enabled',
  networkRuleSets: {},
  privateEndpointConnections: [],
  disableLocalAuth: false,
  disableDeviceSAS: false,
  disableModuleSAS: false,
  restrictOutboundNetworkAccess: false,
  enableDataResidency: false,
};

/** @throws {ProviderError} argumentInvalid */
export function checkIotHubName(name: string): void {
  if (/^(?![0-9]+$)(?!-)[a-zA-Z0-9-]{2,49}[a-zA-Z0-9]$/.test(name)) return;
  throw new ProviderError(
    'argumentInvalid',
    `IotHub name '${name}' is invalid: expected 3 to 50 letters, digits or hyphens, with a letter or digit at both ends.`,
  );
}

/** A new hub. Its settings come from {@link applyIotHubRequest}. */
export function createIotHub(
  address: ResourceAddress,
  request: ResourceRequest,
  { etag, ...hubOptions }: Omit<IotHubOptions, 'name'> & { readonly now: () => number; readonly etag: string },
): IotHubResource {
  const hub = new IotHub({ ...hubOptions, name: address.name });
  const certificates: CaCertificates = new CaCertificates({
    now: hubOptions.now,
    maxNameLength: 64,
    changed: () =>
      hub.setCertificateAuthorities(
        certificates
          .list()
          .map(({ name, certificate, isVerified }) => ({ name, certificateDer: certificate.der, isVerified })),
      ),
  });
  return {
    address,
    location: request.location,
    tags: {},
    sku: {},
    etag,
    createdMs: hubOptions.now(),
    pending: undefined,
    hub,
    certificates,
    events: { retentionTimeInDays: 1, partitionCount: 4 },
  };
}

/**
 * Takes over what a PUT says; changes nothing where it throws.
 *
 * @throws {ProviderError} wrongSku
 * @throws {GatewayError} NotImplemented
 */
export function applyIotHubRequest(resource: IotHubResource, request: ResourceRequest): void {
  refuseUnsupported(request.properties, UNSUPPORTED, 'a hub');
  resource.sku = parseSku(request.sku, SKUS);
  resource.tags = request.tags;
  const { events } = isJsonObject(request.properties['eventHubEndpoints'])
    ? request.properties['eventHubEndpoints']
    : {};
  const { retentionTimeInDays, partitionCount } = isJsonObject(events) ? events : {};
  resource.events = {
    retentionTimeInDays:
      typeof retentionTimeInDays === 'number' ? retentionTimeInDays : resource.events.retentionTimeInDays,
    partitionCount: typeof partitionCount === 'number' ? partitionCount : resource.events.partitionCount,
  };
}

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
      ...FIXED_PROPERTIES,
    },
    sku: resource.sku,
    identity: { type: 'None' },
    systemData: { createdAt: formatTime(createdMs) },
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
