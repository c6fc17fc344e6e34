import { isDeepStrictEqual } from 'node:util';
import type { EnrollmentSettings, ProvisioningStatus, ReprovisionPolicy } from './enrollment-settings.ts';
import type { AllocationPolicy, CustomAllocation, InitialTwin } from './enrollment-settings.ts';
import { readFlag, readRecord, readText, readTexts } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';

/** The settings of an enrollment as DPS has it, without holes. */
export interface StoredSettings {
  readonly provisioningStatus: ProvisioningStatus;
  readonly capabilities: { readonly iotEdge: boolean };
  readonly initialTwin: InitialTwin;
  readonly iotHubs: readonly string[];
  /** Undefined: the instance's own. */
  readonly allocationPolicy: AllocationPolicy | undefined;
  readonly customAllocation: CustomAllocation | undefined;
  readonly reprovisionPolicy: ReprovisionPolicy;
}

/** Reads the parts of a service API document (2021-10-01) that groups and individual enrollments share. */
export function readSettings(document: JsonRecord): StoredSettings {
  const twin = readRecord(document.initialTwin);
  const { tags } = twin;
  const { desired } = readRecord(twin.properties);
  const policy = readRecord(document.reprovisionPolicy);
  const custom = readRecord(document.customAllocationDefinition);
  const webhookUrl = readText(custom.webhookUrl);
  return {
    provisioningStatus: document.provisioningStatus === 'disabled' ? 'disabled' : 'enabled',
    capabilities: { iotEdge: readRecord(document.capabilities).iotEdge === true },
    initialTwin: {
      ...(tags === undefined || tags === null ? {} : { tags: readRecord(tags) }),
      ...(desired === undefined || desired === null ? {} : { desired: readRecord(desired) }),
    },
    iotHubs: readTexts(document.iotHubs) ?? [],
    allocationPolicy: readText(document.allocationPolicy) as AllocationPolicy | undefined,
    customAllocation:
      webhookUrl === undefined ? undefined : { webhookUrl, apiVersion: readText(custom.apiVersion) ?? '' },
    reprovisionPolicy: {
      updateHubAssignment: readFlag(policy.updateHubAssignment) ?? true,
      migrateDeviceData: readFlag(policy.migrateDeviceData) ?? true,
    },
  };
}

const serviceWritten = ['createdDateTimeUtc', 'lastUpdatedDateTimeUtc', 'registrationState', 'etag'];

/** The document with the settings laid over it; fields that only the service writes are left out. */
export function withSettings(document: JsonRecord, settings: EnrollmentSettings): JsonRecord {
  const written: Record<string, unknown> = Object.fromEntries(
    Object.entries(document).filter(([name]) => !serviceWritten.includes(name)),
  );
  const { initialTwin, customAllocation, ...sameName } = settings;
  for (const name of [
    'provisioningStatus',
    'capabilities',
    'iotHubs',
    'allocationPolicy',
    'reprovisionPolicy',
  ] as const) {
    if (sameName[name] !== undefined) written[name] = sameName[name];
  }
  if (initialTwin !== undefined) {
    written.initialTwin = { tags: initialTwin.tags ?? {}, properties: { desired: initialTwin.desired ?? {} } };
  }
  if (customAllocation !== undefined) written.customAllocationDefinition = customAllocation;
  if (settings.allocationPolicy !== undefined && settings.allocationPolicy !== 'custom')
    delete written.customAllocationDefinition;
  // Azure refuses hubs without a policy: 400004 "Enrollment allocationPolicy must be specified when iotHubs are specified."
  if ((settings.iotHubs ?? []).length > 0) written.allocationPolicy ??= 'hashed';
  return written;
}

/** Names of the wanted settings that the stored ones differ from. */
export function changedSettings(stored: StoredSettings, wanted: EnrollmentSettings): string[] {
  const differs: Record<keyof StoredSettings, () => boolean> = {
    provisioningStatus: () => wanted.provisioningStatus !== stored.provisioningStatus,
    capabilities: () => wanted.capabilities?.iotEdge !== stored.capabilities.iotEdge,
    initialTwin: () =>
      !isSameCollection(wanted.initialTwin?.tags, stored.initialTwin.tags) ||
      !isSameCollection(wanted.initialTwin?.desired, stored.initialTwin.desired),
    iotHubs: () => !isDeepStrictEqual(hostSet(wanted.iotHubs ?? []), hostSet(stored.iotHubs)),
    allocationPolicy: () => wanted.allocationPolicy !== stored.allocationPolicy,
    customAllocation: () => !isDeepStrictEqual(wanted.customAllocation, stored.customAllocation),
    reprovisionPolicy: () => !isDeepStrictEqual({ ...wanted.reprovisionPolicy }, stored.reprovisionPolicy),
  };
  return (Object.keys(differs) as (keyof StoredSettings)[]).filter(
    (name) => wanted[name] !== undefined && differs[name](),
  );
}

/** Microsoft's clients may show `count`, `metadata` and `version` of a twin collection as if they were its members. */
function isSameCollection(wanted: JsonRecord | undefined, stored: JsonRecord | undefined): boolean {
  const shown = Object.entries(stored ?? {}).filter(
    ([name]) =>
      !name.startsWith('$') && (wanted?.[name] !== undefined || !['count', 'metadata', 'version'].includes(name)),
  );
  // As JSON, so that what JSON cannot hold (undefined) does not count as a difference.
  return isDeepStrictEqual(JSON.parse(JSON.stringify(wanted ?? {})), Object.fromEntries(shown));
}

function hostSet(hosts: readonly string[]): string[] {
  return [...new Set(hosts.map((host) => host.toLowerCase()))].sort();
}
