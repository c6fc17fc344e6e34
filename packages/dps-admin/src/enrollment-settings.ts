import { DpsAdminError } from './errors.ts';

export type ProvisioningStatus = 'enabled' | 'disabled';
export type AllocationPolicy = 'hashed' | 'geoLatency' | 'static' | 'custom';

export interface InitialTwin {
  readonly tags?: Readonly<Record<string, unknown>>;
  readonly desired?: Readonly<Record<string, unknown>>;
}

/** What happens when a device registers again. Azure's default: both true. */
export interface ReprovisionPolicy {
  /** False: a device stays on its hub for ever. */
  readonly updateHubAssignment: boolean;
  /** False: it gets the initial twin again (factory reset) when it moves. */
  readonly migrateDeviceData: boolean;
}

export interface CustomAllocation {
  /** An Azure function's address, `https://`. */
  readonly webhookUrl: string;
  /** 2018-09-01-preview or later. */
  readonly apiVersion: string;
}

/**
 * Settings that groups and individual enrollments share. What is left out stays as it is on an enrollment that exists, and is Azure's
 * default on a new one: a run that says nothing of `provisioningStatus` never re-enables what an operator has disabled.
 */
export interface EnrollmentSettings {
  /** Default for a new one `enabled`. */
  readonly provisioningStatus?: ProvisioningStatus;
  /** Default for a new one `{ iotEdge: false }`. */
  readonly capabilities?: { readonly iotEdge: boolean };
  /** Replaces the whole initial twin; `{}` empties it. Only devices that register from then on get it. */
  readonly initialTwin?: InitialTwin;
  /** Host names of linked hubs; an empty list means all that are linked (the default). */
  readonly iotHubs?: readonly string[];
  /** Default the instance's; with `iotHubs` alone `hashed`, because Azure wants one then. */
  readonly allocationPolicy?: AllocationPolicy;
  /** Needed with `allocationPolicy: 'custom'`. */
  readonly customAllocation?: CustomAllocation;
  readonly reprovisionPolicy?: ReprovisionPolicy;
}

/**
 * Rules between settings that Azure refuses with a bare 400.
 *
 * @throws {DpsAdminError} ERR_INVALID_INPUT
 */
export function checkSettings(settings: EnrollmentSettings): void {
  const { allocationPolicy, customAllocation, iotHubs, provisioningStatus } = settings;
  if (provisioningStatus !== undefined && !['enabled', 'disabled'].includes(provisioningStatus)) {
    throw invalid(`provisioningStatus is '${provisioningStatus}': it has to be enabled or disabled.`);
  }
  if (allocationPolicy !== undefined && !['hashed', 'geoLatency', 'static', 'custom'].includes(allocationPolicy)) {
    throw invalid(`allocationPolicy is '${allocationPolicy}': it has to be hashed, geoLatency, static or custom.`);
  }
  if ((allocationPolicy === 'custom') !== (customAllocation !== undefined)) {
    throw invalid(
      'customAllocation (webhookUrl, apiVersion) and allocationPolicy custom need each other: give both or neither.',
    );
  }
  if (customAllocation !== undefined && !isHttpsUrl(customAllocation.webhookUrl)) {
    throw invalid('customAllocation.webhookUrl has to be an address that begins with https://.');
  }
  if (allocationPolicy === 'static' && (iotHubs === undefined || iotHubs.length === 0)) {
    throw invalid('allocationPolicy static needs the hub that devices shall be assigned to (iotHubs).');
  }
}

function isHttpsUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:';
}

function invalid(message: string): DpsAdminError {
  return new DpsAdminError('ERR_INVALID_INPUT', `${message} Nothing was sent.`, { advice: 'fix-input' });
}
