import type { AzureSession } from './azure-session.ts';
import { DpsAdminError } from './errors.ts';
import type { MissingPrerequisite } from './errors.ts';
import { checkHubNameIsFree, createIotHub, getIotHub, readLinkConnectionString } from './iot-hub.ts';
import type { IotHub } from './iot-hub.ts';
import type { Survey, WantedResources } from './prerequisite-survey.ts';
import {
  checkDpsNameIsFree,
  createProvisioningService,
  getProvisioningService,
  isSameHost,
  linkHub,
} from './provisioning-service.ts';
import type { ProvisioningService } from './provisioning-service.ts';
import { createResourceGroup } from './resource-group.ts';
import type { ResourceGroup } from './resource-group.ts';
import { waitUntilActive } from './resource-state.ts';

type Kind = MissingPrerequisite['kind'];

export interface PrerequisiteProgress {
  readonly step: 'found' | 'creating' | 'created';
  readonly kind: Kind;
  /** Name of the resource; for a link the hub's name. */
  readonly name: string;
}

export interface CreatedPrerequisite {
  readonly kind: Kind;
  readonly name: string;
}

export interface ReadyResources {
  readonly resourceGroup: ResourceGroup;
  readonly hubs: readonly IotHub[];
  readonly dps: ProvisioningService;
}

/** Tells the caller what is found and made, and remembers the latter. */
export class CreationLog {
  readonly created: CreatedPrerequisite[] = [];
  readonly #onProgress: (progress: PrerequisiteProgress) => void;

  constructor(onProgress: (progress: PrerequisiteProgress) => void) {
    this.#onProgress = onProgress;
  }

  found(kind: Kind, name: string): void {
    this.#onProgress({ step: 'found', kind, name });
  }

  async create<Made>(kind: Kind, name: string, action: () => Promise<Made>): Promise<Made> {
    this.#onProgress({ step: 'creating', kind, name });
    const made = await action();
    this.created.push({ kind, name });
    this.#onProgress({ step: 'created', kind, name });
    return made;
  }
}

/** Makes what the survey did not find; location and names are checked before the first thing is created. */
export async function createMissingResources(
  session: AzureSession,
  { wanted, survey, log }: { readonly wanted: WantedResources; readonly survey: Survey; readonly log: CreationLog },
): Promise<ReadyResources> {
  const location = chooseLocation(wanted, survey);
  if (survey.dps === undefined) await checkDpsNameIsFree(session, wanted.dpsName);
  for (const { name, hub } of survey.hubs) if (hub === undefined) await checkHubNameIsFree(session, name);
  const resourceGroup = await ensureResourceGroup(session, { wanted, survey, log, location });
  // Hubs and DPS take minutes each: side by side. If one fails the others are waited for, so that no creation is left unwatched.
  const dpsCreation = ensureDps(session, { wanted, survey, log, location });
  const hubCreations = survey.hubs.map((found) => ensureHub(session, { wanted, found, log, location }));
  await Promise.allSettled([dpsCreation, ...hubCreations]);
  const hubs = await Promise.all(hubCreations);
  const dps = await ensureLinks(session, { wanted, hubs, dps: await dpsCreation, log });
  return { resourceGroup, hubs, dps };
}

function chooseLocation(wanted: WantedResources, survey: Survey): string {
  const location = wanted.location ?? survey.resourceGroup?.location;
  if (location !== undefined) return location;
  throw new DpsAdminError(
    'ERR_INVALID_INPUT',
    `Resource group '${wanted.resourceGroup}' does not exist: say in which Azure region to create it (location), for example westeurope.`,
    { advice: 'fix-input' },
  );
}

interface Creation {
  readonly wanted: WantedResources;
  readonly survey: Survey;
  readonly log: CreationLog;
  readonly location: string;
}

async function ensureResourceGroup(
  session: AzureSession,
  { wanted, survey, log, location }: Creation,
): Promise<ResourceGroup> {
  const { resourceGroup } = survey;
  if (resourceGroup === undefined) {
    return log.create('resource-group', wanted.resourceGroup, () =>
      createResourceGroup(session, wanted.resourceGroup, location),
    );
  }
  log.found('resource-group', resourceGroup.name);
  return resourceGroup;
}

async function ensureDps(
  session: AzureSession,
  { wanted, survey, log, location }: Creation,
): Promise<ProvisioningService> {
  const { dpsName } = wanted;
  if (survey.dps === undefined)
    return log.create('dps', dpsName, () => createProvisioningService(session, wanted, location));
  log.found('dps', dpsName);
  return waitUntilActive(survey.dps, {
    title: `DPS instance '${dpsName}'`,
    read: () => getProvisioningService(session, wanted),
    pollIntervalMs: session.pollIntervalMs,
  });
}

async function ensureHub(
  session: AzureSession,
  { wanted, found, log, location }: Omit<Creation, 'survey'> & { readonly found: Survey['hubs'][number] },
): Promise<IotHub> {
  const target = { resourceGroup: wanted.resourceGroup, hubName: found.name };
  if (found.hub === undefined) return log.create('iot-hub', found.name, () => createIotHub(session, target, location));
  log.found('iot-hub', found.name);
  return waitUntilActive(found.hub, {
    title: `Hub '${found.name}'`,
    read: () => getIotHub(session, target),
    pollIntervalMs: session.pollIntervalMs,
  });
}

async function ensureLinks(
  session: AzureSession,
  { wanted, hubs, dps, log }: Pick<Creation, 'wanted' | 'log'> & Omit<ReadyResources, 'resourceGroup'>,
): Promise<ProvisioningService> {
  const isLinked = ({ hostName }: IotHub): boolean => dps.linkedHubs.some((linked) => isSameHost(linked, hostName));
  for (const { name } of hubs.filter(isLinked)) log.found('link', name);
  let linkedDps = dps;
  for (const { name, hostName, location } of hubs.filter((hub) => !isLinked(hub))) {
    linkedDps = await log.create('link', name, async () => {
      const hub = { resourceGroup: wanted.resourceGroup, hubName: name };
      const connectionString = await readLinkConnectionString(session, hub, hostName);
      return linkHub(session, wanted, { hostName, location, connectionString });
    });
  }
  return linkedDps;
}
