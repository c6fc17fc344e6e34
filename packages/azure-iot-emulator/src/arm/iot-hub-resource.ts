import type { Shelf } from '../data/shelf.ts';
import type { LocalAuthentication } from '../hub/hub-access.ts';
import { IotHub, type IotHubOptions } from '../hub/iot-hub.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import type { SharedAccessPolicy } from '../hub/shared-access-policy.ts';
import type { ArmAssumptions } from './arm-assumptions.ts';
import { ProviderError } from './arm-error.ts';
import { parsePolicies } from './authorization-policy.ts';
import { CaCertificates } from './ca-certificates.ts';
import { parseLocalAuthentication, settleHub } from './hub-settings.ts';
import { UNCHANGING } from './iot-hub-json.ts';
import {
  newResource,
  parseSku,
  type Resource,
  type ResourceAddress,
  type ResourceRequest,
  type ResourceState,
} from './resource.ts';
import { refuseUnsupported } from './unsupported-property.ts';

/** An IoT Hub as Resource Manager has it. */
export interface IotHubResource extends Resource {
  readonly hub: IotHub;
  readonly certificates: CaCertificates;
  /** Undefined before the first PUT. */
  localAuthentication: LocalAuthentication | undefined;
  events: { readonly retentionTimeInDays: number; readonly partitionCount: number };
  messaging: { readonly messagingEndpoints: JsonObject; readonly cloudToDevice: JsonObject };
}

const SKUS = ['F1', 'S1', 'S2', 'S3', 'B1', 'B2', 'B3'];

const FEEDBACK = { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 };

const CLOUD_TO_DEVICE = { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H' };

const MESSAGING = {
  messagingEndpoints: { fileNotifications: FEEDBACK },
  cloudToDevice: { ...CLOUD_TO_DEVICE, feedback: FEEDBACK },
};

const UNSUPPORTED = {
  ...UNCHANGING,
  publicNetworkAccess: 'Enabled',
  networkRuleSets: {},
  privateEndpointConnections: [],
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

/** "Control access to IoT Hub"; RegistryWrite includes reading. */
const RIGHTS = ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'] as const;

/** A new hub. Its settings come from {@link applyIotHubRequest}. */
export function createIotHub(
  address: ResourceAddress,
  request: ResourceRequest,
  options: HubOptions & { readonly etag: string },
): IotHubResource {
  // What a failed attempt of the same name may have left.
  options.shelf.drop();
  return {
    ...newResource(address, request, options),
    events: { retentionTimeInDays: 1, partitionCount: 4 },
    messaging: MESSAGING,
    localAuthentication: undefined,
    ...openHub(address.name, options),
  };
}

/** What a new hub and one that was stored are opened with. */
export interface HubOptions extends Omit<IotHubOptions, 'name'> {
  readonly expiredProof?: ArmAssumptions['expiredProof'];
  readonly now: () => number;
  /** What the hub keeps. */
  readonly shelf: Shelf;
}

/** Makes a hub of what was stored. */
export function restoreIotHub(state: ResourceState<IotHubResource>, options: HubOptions): IotHubResource {
  const resource = { ...state, ...openHub(state.address.name, options) };
  settleHub(resource);
  return resource;
}

function openHub(name: string, options: HubOptions): Pick<IotHubResource, 'hub' | 'certificates' | 'pending'> {
  const hub = new IotHub({ ...options, name });
  const changed = (): void =>
    hub.setCertificateAuthorities(
      certificates.list().map(({ name: authority, certificate, isVerified }) => ({
        name: authority,
        certificateDer: certificate.der,
        isVerified,
      })),
    );
  const certificates = new CaCertificates({ ...options, maxNameLength: 64, changed });
  changed();
  return { hub, certificates, pending: undefined };
}

/**
 * Takes over what a PUT says; changes nothing where it throws.
 *
 * @throws {ProviderError} wrongSku, argumentInvalid
 * @throws {GatewayError} NotImplemented
 */
export function applyIotHubRequest(resource: IotHubResource, request: ResourceRequest): void {
  refuseUnsupported(request.properties, UNSUPPORTED, 'a hub');
  const messaging = parseMessaging(request.properties, resource.messaging);
  const policies = parseHubPolicies(request.properties['authorizationPolicies'], resource.hub.sharedAccessPolicies);
  resource.sku = parseSku(request.sku, SKUS);
  if (policies) resource.hub.setSharedAccessPolicies(policies);
  resource.tags = request.tags;
  resource.messaging = messaging;
  resource.localAuthentication = parseLocalAuthentication(request.properties);
  settleHub(resource);
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

/** Without them, and for the `[]` of Microsoft's examples, those that there are stay. */
function parseHubPolicies(
  value: unknown,
  stored: readonly SharedAccessPolicy[],
): readonly SharedAccessPolicy[] | undefined {
  if (value == null || (Array.isArray(value) && value.length === 0)) return undefined;
  return parsePolicies(value, { rights: RIGHTS, stored }).map((policy) =>
    policy.rights.includes('RegistryWrite')
      ? { ...policy, rights: RIGHTS.filter((right) => right === 'RegistryRead' || policy.rights.includes(right)) }
      : policy,
  );
}

/**
 * Settings of queues that the emulator doesn't have (notifications of file uploads; feedback's locks) are kept and shown:
 * the Azure CLI sends its own with every hub.
 */
function parseMessaging(properties: JsonObject, stored: IotHubResource['messaging']): IotHubResource['messaging'] {
  const { messagingEndpoints, cloudToDevice } = properties;
  if (isJsonObject(cloudToDevice)) refuseUnsupported(cloudToDevice, CLOUD_TO_DEVICE, "a hub's cloudToDevice");
  return {
    messagingEndpoints: isJsonObject(messagingEndpoints) ? messagingEndpoints : stored.messagingEndpoints,
    cloudToDevice: isJsonObject(cloudToDevice) ? cloudToDevice : stored.cloudToDevice,
  };
}
