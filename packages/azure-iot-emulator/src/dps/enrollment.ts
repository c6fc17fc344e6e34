import { type Attestation, attestationJson, parseAttestation } from './attestation.ts';
import { formatTime } from '../hub/dotnet-time.ts';
import { DpsError } from './dps-error.ts';
import type { JsonObject } from '../hub/json.ts';
import { optionalBoolean, optionalChoice, optionalObject, optionalString, optionalStrings } from './request-field.ts';

/** Allocation policies of an enrollment. */
export type AllocationPolicy = 'hashed' | 'geoLatency' | 'static' | 'custom';

/** An individual enrollment or an enrollment group. */
export interface Enrollment {
  readonly kind: 'individual' | 'group';
  /** Registration ID or enrollment group ID, as given at creation. */
  readonly id: string;
  /** Individual enrollments only: the hub's device ID where it differs from the registration ID. */
  readonly deviceId?: string;
  readonly attestation: Attestation;
  readonly isEnabled: boolean;
  readonly capabilities: { readonly iotEdge: boolean };
  readonly reprovisionPolicy: { readonly updateHubAssignment: boolean; readonly migrateDeviceData: boolean };
  readonly allocationPolicy?: AllocationPolicy;
  /** The webhook that is asked with policy `custom`. */
  readonly customAllocationDefinition?: { readonly webhookUrl: string; readonly apiVersion: string };
  /** Host names; absent means every hub that is linked. */
  readonly iotHubs?: readonly string[];
  /** The older way to name one hub. */
  readonly iotHubHostName?: string;
  readonly initialTwin?: { readonly tags?: JsonObject; readonly desired?: JsonObject };
  readonly optionalDeviceInformation?: JsonObject;
  readonly etag: string;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** An enrollment before the store has given it ETag and times. */
export type EnrollmentDraft = Omit<Enrollment, 'etag' | 'createdMs' | 'updatedMs'>;

/** The first api-version of the service API in which a webhook can be defined. */
const FIRST_WEBHOOK_VERSION = '2018-09-01-preview';

const POLICIES = ['hashed', 'geoLatency', 'static', 'custom'] as const;

/** Features of DPS that would change what a registration does, so that leaving them out silently would mislead. */
const UNSUPPORTED_FIELDS = ['credentialPolicyName', 'clientCertificateIssuancePolicy', 'trustBundleId'];

/**
 * Reads a PUT body. Unknown fields are passed over, as is what only DPS writes (etag, times, registrationState).
 *
 * @param id - from the path; the body has to agree where it names one
 * @throws {DpsError} invalidArgument, unsupported
 */
export function parseEnrollment(
  kind: Enrollment['kind'],
  id: string,
  body: unknown,
  stored: Enrollment | undefined,
): EnrollmentDraft {
  const json = optionalObject(body, 'body') ?? {};
  refuseUnsupported(json);
  const idField = kind === 'group' ? 'enrollmentGroupId' : 'registrationId';
  const bodyId = optionalString(json[idField], idField);
  if (bodyId !== undefined && bodyId.toLowerCase() !== id.toLowerCase()) {
    throw new DpsError('invalidArgument', `Invalid '${idField}': '${bodyId}' does not match '${id}' of the path.`);
  }
  const deviceId = kind === 'individual' ? optionalString(json['deviceId'], 'deviceId') : undefined;
  const twin = parseInitialTwin(json['initialTwin']);
  const optionalDeviceInformation = optionalObject(json['optionalDeviceInformation'], 'optionalDeviceInformation');
  const capabilities = optionalObject(json['capabilities'], 'capabilities');
  return {
    kind,
    id: stored?.id ?? id,
    ...(deviceId !== undefined && { deviceId }),
    attestation: parseAttestation(json['attestation'], { isGroup: kind === 'group', stored: stored?.attestation }),
    isEnabled: optionalChoice(json['provisioningStatus'], 'provisioningStatus', ['enabled', 'disabled']) !== 'disabled',
    capabilities: { iotEdge: optionalBoolean(capabilities?.['iotEdge'], 'capabilities.iotEdge', false) },
    reprovisionPolicy: parseReprovisionPolicy(json['reprovisionPolicy']),
    ...parseAllocation(json),
    ...(twin && { initialTwin: twin }),
    ...(optionalDeviceInformation && { optionalDeviceInformation }),
  };
}

function refuseUnsupported(json: JsonObject): void {
  const found = UNSUPPORTED_FIELDS.find((field) => json[field] !== undefined && json[field] !== null);
  if (found !== undefined)
    throw new DpsError('unsupported', `The emulator does not support '${found}' of an enrollment.`);
}

function parseReprovisionPolicy(value: unknown): Enrollment['reprovisionPolicy'] {
  const policy = optionalObject(value, 'reprovisionPolicy');
  return {
    updateHubAssignment: optionalBoolean(
      policy?.['updateHubAssignment'],
      'reprovisionPolicy.updateHubAssignment',
      true,
    ),
    migrateDeviceData: optionalBoolean(policy?.['migrateDeviceData'], 'reprovisionPolicy.migrateDeviceData', true),
  };
}

type Allocation = Pick<Enrollment, 'allocationPolicy' | 'customAllocationDefinition' | 'iotHubs' | 'iotHubHostName'>;

function parseAllocation(json: JsonObject): Allocation {
  const policy = optionalChoice(json['allocationPolicy'], 'allocationPolicy', POLICIES);
  const iotHubs = optionalStrings(json['iotHubs'], 'iotHubs');
  const iotHubHostName = optionalString(json['iotHubHostName'], 'iotHubHostName');
  // Message of a real answer (azure-sdk-for-python issue 35368).
  if (iotHubs?.length && policy === undefined) {
    throw new DpsError('invalidArgument', 'Enrollment allocationPolicy must be specified when iotHubs are specified.');
  }
  if (policy === 'static' && !iotHubs?.length) {
    throw new DpsError('invalidArgument', 'Enrollment iotHubs must be specified when allocationPolicy is static.');
  }
  const definition = parseDefinition(json['customAllocationDefinition']);
  if (policy === 'custom' && definition === undefined) {
    throw new DpsError(
      'invalidArgument',
      'customAllocationDefinition must be specified when allocationPolicy is custom.',
    );
  }
  return {
    ...(policy !== undefined && { allocationPolicy: policy }),
    ...(definition && { customAllocationDefinition: definition }),
    ...(iotHubs?.length && { iotHubs }),
    ...(iotHubHostName !== undefined && { iotHubHostName }),
  };
}

function parseDefinition(value: unknown): Enrollment['customAllocationDefinition'] {
  const definition = optionalObject(value, 'customAllocationDefinition');
  if (definition === undefined) return undefined;
  const webhookUrl = optionalString(definition['webhookUrl'], 'customAllocationDefinition.webhookUrl') ?? '';
  const apiVersion = optionalString(definition['apiVersion'], 'customAllocationDefinition.apiVersion') ?? '';
  if (!/^https?:$/.test(URL.canParse(webhookUrl) ? new URL(webhookUrl).protocol : '')) {
    throw new DpsError(
      'invalidArgument',
      "Invalid 'customAllocationDefinition.webhookUrl': expected an https address.",
    );
  }
  if (!/^20\d\d-\d\d-\d\d(?:-preview)?$/.test(apiVersion) || apiVersion < FIRST_WEBHOOK_VERSION) {
    throw new DpsError(
      'invalidArgument',
      `Invalid 'customAllocationDefinition.apiVersion': expected ${FIRST_WEBHOOK_VERSION} or later.`,
    );
  }
  return { webhookUrl, apiVersion };
}

/** Reads `initialTwin` of an enrollment or of a webhook's answer. @throws {DpsError} invalidArgument */
export function parseInitialTwin(value: unknown): Enrollment['initialTwin'] {
  const twin = optionalObject(value, 'initialTwin');
  if (twin === undefined) return undefined;
  const properties = optionalObject(twin['properties'], 'initialTwin.properties');
  const tags = withoutCollectionFields(optionalObject(twin['tags'], 'initialTwin.tags'));
  const desired = withoutCollectionFields(optionalObject(properties?.['desired'], 'initialTwin.properties.desired'));
  return { ...(tags && { tags }), ...(desired && { desired }) };
}

/** `$version` and `$metadata` are the service's own words, never a property. */
function withoutCollectionFields(collection: JsonObject | undefined): JsonObject | undefined {
  return collection && Object.fromEntries(Object.entries(collection).filter(([name]) => !name.startsWith('$')));
}

/** The JSON that DPS reads back; absent options are left out. `registrationState` is for individual enrollments. */
export function enrollmentJson(enrollment: Enrollment, registrationState?: JsonObject): JsonObject {
  const { kind, deviceId, initialTwin, iotHubHostName, allocationPolicy, iotHubs } = enrollment;
  const { customAllocationDefinition, optionalDeviceInformation } = enrollment;
  return {
    [kind === 'group' ? 'enrollmentGroupId' : 'registrationId']: enrollment.id,
    ...(deviceId !== undefined && { deviceId }),
    ...(registrationState && { registrationState }),
    attestation: attestationJson(enrollment.attestation, false),
    capabilities: enrollment.capabilities,
    ...(iotHubHostName !== undefined && { iotHubHostName }),
    ...(initialTwin && {
      initialTwin: { tags: initialTwin.tags ?? {}, properties: { desired: initialTwin.desired ?? {} } },
    }),
    etag: enrollment.etag,
    provisioningStatus: enrollment.isEnabled ? 'enabled' : 'disabled',
    reprovisionPolicy: enrollment.reprovisionPolicy,
    createdDateTimeUtc: formatTime(enrollment.createdMs),
    lastUpdatedDateTimeUtc: formatTime(enrollment.updatedMs),
    ...(allocationPolicy !== undefined && { allocationPolicy }),
    ...(iotHubs && { iotHubs }),
    ...(customAllocationDefinition && { customAllocationDefinition }),
    ...(optionalDeviceInformation && { optionalDeviceInformation }),
  };
}
