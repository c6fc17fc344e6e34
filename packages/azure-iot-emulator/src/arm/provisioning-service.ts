import { randomBytes } from 'node:crypto';
import { ProvisioningInstance, type ProvisioningPolicy, type ProvisioningRight } from '../dps/provisioning-instance.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { ProviderError } from './arm-error.ts';
import { CaCertificates } from './ca-certificates.ts';
import { type LinkedHubEntry, linkedHubJson, parseLinkedHubs } from './linked-hub.ts';
import {
  parseSku,
  type Resource,
  type ResourceAddress,
  type ResourceRequest,
  resourceId,
  stateOf,
} from './resource.ts';
import { refuseUnsupported } from './unsupported-property.ts';

/** A DPS as Resource Manager has it. */
export interface ProvisioningService extends Resource {
  readonly instance: ProvisioningInstance;
  readonly certificates: CaCertificates;
  linkedHubs: readonly LinkedHubEntry[];
}

/** Host names in a DPS's answers. */
export interface ProvisioningHosts {
  /** `global.azure-devices-provisioning.localhost:8883`. */
  readonly deviceEndpoint: string;
  /** What follows `{name}.`: `azure-devices-provisioning.localhost:8443`. */
  readonly serviceSuffix: string;
}

const ALLOCATION_POLICIES = ['Hashed', 'GeoLatency', 'Static'] as const;
const RIGHTS: readonly ProvisioningRight[] = [
  'ServiceConfig',
  'EnrollmentRead',
  'EnrollmentWrite',
  'DeviceConnect',
  'RegistrationStatusRead',
  'RegistrationStatusWrite',
];

const UNSUPPORTED = {
  publicNetworkAccess: 'Enabled',
  ipFilterRules: [],
  privateEndpointConnections: [],
  enableDataResidency: false,
  deviceRegistryNamespace: {},
  disableLocalAuth: false,
};

/** @throws {ProviderError} provisioningServiceName */
export function checkProvisioningServiceName(name: string): void {
  if (/^(?![0-9]+$)(?!-)[a-zA-Z0-9-]{2,49}[a-zA-Z0-9]$/.test(name) && name.toLowerCase() !== 'global') return;
  throw new ProviderError(
    'provisioningServiceName',
    'Provisioning Service name can contain only alphanumeric and hyphen and must start/end with alphanumeric. ' +
      "Should be 3 to 50 chars long. Name 'global' not allowed.",
  );
}

/** A new DPS with the policy that every one has. Its settings come from {@link applyProvisioningServiceRequest}. */
export function createProvisioningService(
  address: ResourceAddress,
  request: ResourceRequest,
  { now, etag }: { readonly now: () => number; readonly etag: string },
): ProvisioningService {
  const certificates = new CaCertificates({ now, maxNameLength: 256 });
  const instance = new ProvisioningInstance({
    name: address.name,
    idScope: `0ne${randomBytes(4).toString('hex').toUpperCase()}`,
    settings: {
      allocationPolicy: 'hashed',
      linkedHubs: [],
      policies: [newPolicy('provisioningserviceowner', ['ServiceConfig', 'DeviceConnect', 'EnrollmentWrite'])],
    },
    certificateAuthorities: () => certificates.list(),
    now,
  });
  return {
    address,
    location: request.location,
    tags: {},
    sku: {},
    etag,
    createdMs: now(),
    pending: undefined,
    instance,
    certificates,
    linkedHubs: [],
  };
}

/**
 * Takes over what a PUT says; changes nothing where it throws.
 *
 * @throws {ProviderError} wrongSku, argumentInvalid, linkedHub, duplicateHubs
 * @throws {GatewayError} NotImplemented
 */
export function applyProvisioningServiceRequest(
  service: ProvisioningService,
  request: ResourceRequest,
  hubs: HubDirectory,
): void {
  const { properties } = request;
  refuseUnsupported(properties, UNSUPPORTED, 'a provisioning service');
  const sku = parseSku(request.sku, ['S1']);
  const linkedHubs =
    properties['iotHubs'] == null ? [] : parseLinkedHubs(properties['iotHubs'], service.linkedHubs, hubs);
  const policies =
    properties['authorizationPolicies'] == null
      ? service.instance.settings.policies
      : parsePolicies(properties['authorizationPolicies']);
  const allocationPolicy = parseAllocationPolicy(properties['allocationPolicy']);
  service.sku = sku;
  service.tags = request.tags;
  service.linkedHubs = linkedHubs;
  service.instance.settings = { allocationPolicy, linkedHubs, policies };
}

function parseAllocationPolicy(value: unknown): 'hashed' | 'geoLatency' | 'static' {
  const policy = ALLOCATION_POLICIES.find((name) => name === (value ?? 'Hashed'));
  if (policy === undefined) {
    throw new ProviderError(
      'argumentInvalid',
      `Property 'allocationPolicy' has to be one of ${ALLOCATION_POLICIES.join(', ')}.`,
    );
  }
  return policy === 'Hashed' ? 'hashed' : policy === 'Static' ? 'static' : 'geoLatency';
}

/** A missing key pair is made up by the service, as recorded. */
function parsePolicies(value: unknown): readonly ProvisioningPolicy[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.map((item) => {
    const { keyName, rights, primaryKey, secondaryKey } = isJsonObject(item) ? item : {};
    const names = typeof rights === 'string' ? rights.split(',').map((right) => right.trim()) : [];
    const known = RIGHTS.filter((right) => names.includes(right));
    if (typeof keyName !== 'string' || known.length === 0 || known.length !== names.length) {
      throw new ProviderError(
        'argumentInvalid',
        `An authorization policy needs a keyName and rights out of ${RIGHTS.join(', ')}.`,
      );
    }
    const policy = newPolicy(keyName, known);
    return {
      ...policy,
      ...(typeof primaryKey === 'string' && { primaryKey }),
      ...(typeof secondaryKey === 'string' && { secondaryKey }),
    };
  });
}

function newPolicy(name: string, rights: readonly ProvisioningRight[]): ProvisioningPolicy {
  const newKey = () => randomBytes(32).toString('base64');
  return { name, rights, primaryKey: newKey(), secondaryKey: newKey() };
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
