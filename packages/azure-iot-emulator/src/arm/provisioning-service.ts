import { randomBytes } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import type { DpsLimits } from '../dps/dps-limits.ts';
import { ProvisioningInstance, type ProvisioningRight } from '../dps/provisioning-instance.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import type { ArmAssumptions } from './arm-assumptions.ts';
import { ProviderError } from './arm-error.ts';
import { newPolicy, parsePolicies } from './authorization-policy.ts';
import { CaCertificates } from './ca-certificates.ts';
import { type LinkedHubEntry, parseLinkedHubs } from './linked-hub.ts';
import {
  newResource,
  parseSku,
  type Resource,
  type ResourceAddress,
  type ResourceRequest,
  type ResourceState,
} from './resource.ts';
import { refuseUnsupported } from './unsupported-property.ts';

/** A DPS as Resource Manager has it. */
export interface ProvisioningService extends Resource {
  readonly instance: ProvisioningInstance;
  readonly certificates: CaCertificates;
  linkedHubs: readonly LinkedHubEntry[];
}

/** As Resource Manager spells them. */
export const ALLOCATION_POLICIES = ['Hashed', 'GeoLatency', 'Static'] as const;
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
  options: InstanceOptions & { readonly etag: string },
): ProvisioningService {
  // What a failed attempt of the same name may have left.
  options.shelf.drop();
  return {
    ...newResource(address, request, options),
    linkedHubs: [],
    ...openInstance(address.name, options),
  };
}

/** What a new DPS and one that was stored are opened with. */
export interface InstanceOptions {
  readonly limits?: DpsLimits;
  readonly assumptions?: ArmAssumptions;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** What the instance keeps. */
  readonly shelf: Shelf;
}

/** Makes a DPS of what was stored. */
export function restoreProvisioningService(
  state: ResourceState<ProvisioningService>,
  options: InstanceOptions,
): ProvisioningService {
  return { ...state, ...openInstance(state.address.name, options) };
}

function openInstance(
  name: string,
  { now, shelf, limits, assumptions }: InstanceOptions,
): Pick<ProvisioningService, 'instance' | 'certificates' | 'pending'> {
  const certificates = new CaCertificates({ now, maxNameLength: 256, shelf, ...assumptions });
  const idScope = shelf.value('idScope', () => `0ne${randomBytes(4).toString('hex').toUpperCase()}`).current;
  const instance = new ProvisioningInstance({
    name,
    idScope,
    settings: {
      allocationPolicy: 'hashed',
      linkedHubs: [],
      policies: [newPolicy('provisioningserviceowner', ['ServiceConfig', 'DeviceConnect', 'EnrollmentWrite'])],
    },
    certificateAuthorities: () => certificates.list(),
    now,
    shelf,
    ...(limits && { limits }),
  });
  return { instance, certificates, pending: undefined };
}

/**
 * Takes over what a PUT says; changes nothing where it throws.
 *
 * @param hubs - where linked hubs have to be; undefined to take their connection strings as they are
 *
 * @throws {ProviderError} wrongSku, argumentInvalid, linkedHub, duplicateHubs
 * @throws {GatewayError} NotImplemented
 */
export function applyProvisioningServiceRequest(
  service: ProvisioningService,
  request: ResourceRequest,
  hubs: HubDirectory | undefined,
): void {
  const { properties } = request;
  refuseUnsupported(properties, UNSUPPORTED, 'a provisioning service');
  const sku = parseSku(request.sku, ['S1']);
  const linkedHubs =
    properties['iotHubs'] == null ? [] : parseLinkedHubs(properties['iotHubs'], service.linkedHubs, hubs);
  const policies =
    properties['authorizationPolicies'] == null
      ? service.instance.settings.policies
      : parsePolicies(properties['authorizationPolicies'], {
          rights: RIGHTS,
          stored: service.instance.settings.policies,
        });
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
