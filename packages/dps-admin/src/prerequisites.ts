import type { AzureSession } from './azure-session.ts';
import { DpsAdminError } from './errors.ts';
import type { IotHub } from './iot-hub.ts';
import { CreationLog, createMissingResources } from './prerequisite-creation.ts';
import type { CreatedPrerequisite, PrerequisiteProgress, ReadyResources } from './prerequisite-creation.ts';
import { listMissing, missingError, surveyResources } from './prerequisite-survey.ts';
import type { Survey, WantedResources } from './prerequisite-survey.ts';
import type { ResourceGroup } from './resource-group.ts';
import { checkName } from './resource-name.ts';
import { checkIsActive, endsActive } from './resource-state.ts';

export interface PrerequisiteOptions {
  readonly resourceGroup: string;
  readonly dpsName: string;
  /** One or more hubs of the same resource group; each is to be linked to the DPS instance. */
  readonly hubNames: readonly string[];
  /** Azure region for what has to be created, for example `westeurope`; default: that of the resource group. */
  readonly location?: string;
  /** Default false: what is missing is an error and nothing is changed. A hub (S1) and a DPS instance (S1) cost money from then on. */
  readonly createMissing?: boolean;
  readonly onProgress?: (progress: PrerequisiteProgress) => void;
}

export interface PrerequisiteReport {
  readonly resourceGroup: ResourceGroup;
  readonly hubs: readonly IotHub[];
  readonly dps: {
    readonly name: string;
    readonly idScope: string;
    readonly serviceHost: string;
    /** Where devices register; a host name that may carry a port. */
    readonly deviceEndpoint: string;
  };
  /** Host names of all hubs that are linked, those that were not asked for included. */
  readonly links: readonly string[];
  /** What this run made, in its order. */
  readonly created: readonly CreatedPrerequisite[];
}

/**
 * Looks whether resource group, hubs, DPS instance and links are there, and with `createMissing` makes what is not.
 *
 * May be stopped at any point and run again: what an earlier run made, or is still being made, is found and gone on with. Names are
 * checked against all of Azure before the first thing is created.
 *
 * @throws {DpsAdminError} ERR_PREREQUISITES_MISSING: without `createMissing`; `missing` lists everything at once, nothing was changed
 * @throws {DpsAdminError} ERR_NOT_ACTIVE: a hub or the instance is there and cannot be used (yet)
 * @throws {DpsAdminError} ERR_NAME_TAKEN, ERR_INVALID_INPUT (no location): before anything was created
 * @throws {DpsAdminError} ERR_HUB_POLICY_MISSING: a hub has no policy that DPS could use
 */
export async function checkPrerequisites(
  session: AzureSession,
  options: PrerequisiteOptions,
): Promise<PrerequisiteReport> {
  checkOptions(options);
  const wanted = { ...options, hubNames: [...new Set(options.hubNames)] };
  const survey = await surveyResources(session, wanted);
  for (const { title, state } of statesOf(survey)) {
    if (options.createMissing !== true || !endsActive(state)) checkIsActive(title, state);
  }
  const log = new CreationLog(options.onProgress ?? ((): void => undefined));
  const ready =
    options.createMissing === true
      ? await createMissingResources(session, { wanted, survey, log })
      : readySurvey(survey, wanted, log);
  const { resourceGroup, hubs, dps } = ready;
  const { name, idScope, serviceHost } = dps;
  return {
    resourceGroup,
    hubs,
    dps: { name, idScope, serviceHost, deviceEndpoint: session.cloud.provisioningDeviceEndpoint },
    links: dps.linkedHubs,
    created: log.created,
  };
}

function checkOptions({ resourceGroup, dpsName, hubNames }: PrerequisiteOptions): void {
  checkName('resourceGroup', resourceGroup);
  checkName('dpsName', dpsName);
  if (!Array.isArray(hubNames)) throw new TypeError('hubNames has to be a list of hub names.');
  for (const name of hubNames) checkName('hubName', name as string);
  if (hubNames.length === 0) {
    throw new DpsAdminError(
      'ERR_INVALID_INPUT',
      'No hub is named: DPS needs at least one to assign devices to (hubNames).',
      {
        advice: 'fix-input',
      },
    );
  }
}

function statesOf({ dps, hubs }: Survey): { readonly title: string; readonly state: string }[] {
  const found = hubs.map(({ hub }) => hub).filter((hub) => hub !== undefined);
  return [
    ...(dps === undefined ? [] : [{ title: `DPS instance '${dps.name}'`, state: dps.state }]),
    ...found.map(({ name, state }) => ({ title: `Hub '${name}'`, state })),
  ];
}

/** The survey where nothing is missing, else an error. */
function readySurvey(survey: Survey, wanted: WantedResources, log: CreationLog): ReadyResources {
  const { resourceGroup, dps } = survey;
  const hubs = survey.hubs.map(({ hub }) => hub).filter((hub) => hub !== undefined);
  const missing = listMissing(survey, wanted);
  if (missing.length > 0 || resourceGroup === undefined || dps === undefined) throw missingError(missing);
  log.found('resource-group', resourceGroup.name);
  log.found('dps', dps.name);
  for (const { name } of hubs) log.found('iot-hub', name);
  for (const { name } of hubs) log.found('link', name);
  return { resourceGroup, hubs, dps };
}
