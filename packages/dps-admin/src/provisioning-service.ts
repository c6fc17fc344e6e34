import type {
  IotHubDefinitionDescription,
  ProvisioningServiceDescription,
} from '@azure/arm-deviceprovisioningservices';
import { setTimeout } from 'node:timers/promises';
import type { AzureSession } from './azure-session.ts';
import { hasDpsAdminCode } from './errors.ts';
import { nameTaken } from './iot-hub.ts';
import { checkName } from './resource-name.ts';
import { attempt } from './transport/attempt.ts';

export interface ProvisioningService {
  readonly name: string;
  readonly location: string;
  /** `Active` when it can be used; otherwise Azure's word, for example `Activating` or `Transitioning`. */
  readonly state: string;
  /** What devices give to be sent to this instance, for example `0ne00000012`; empty while it is being activated. */
  readonly idScope: string;
  readonly serviceHost: string;
  /** Host names of the linked hubs, as the links have them. */
  readonly linkedHubs: readonly string[];
}

export interface ProvisioningServiceTarget {
  readonly resourceGroup: string;
  readonly dpsName: string;
}

/**
 * Undefined where the resource group has no such DPS instance.
 *
 * @throws {DpsAdminError} ERR_RESOURCE_GROUP_NOT_FOUND
 */
export async function getProvisioningService(
  session: AzureSession,
  target: ProvisioningServiceTarget,
): Promise<ProvisioningService | undefined> {
  checkName('resourceGroup', target.resourceGroup);
  checkName('dpsName', target.dpsName);
  try {
    return toProvisioningService(session, await readDescription(session, target), target.dpsName);
  } catch (error) {
    if (hasDpsAdminCode(error, 'ERR_DPS_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Creates an instance (S1, one unit); resolves when it is active. */
export async function createProvisioningService(
  session: AzureSession,
  target: ProvisioningServiceTarget,
  location: string,
): Promise<ProvisioningService> {
  const { resourceGroup, dpsName } = target;
  const description = await attempt(
    { doing: `create DPS instance '${dpsName}' in resource group '${resourceGroup}' (${location})`, subject: 'dps' },
    () =>
      session.iotDps.iotDpsResource.beginCreateOrUpdateAndWait(
        resourceGroup,
        dpsName,
        { location, properties: {}, sku: { name: 'S1', capacity: 1 } },
        { updateIntervalInMs: session.pollIntervalMs },
      ),
  );
  return toProvisioningService(session, description, dpsName);
}

/** @throws {DpsAdminError} ERR_NAME_TAKEN: DPS names are shared by all of Azure */
export async function checkDpsNameIsFree(session: AzureSession, dpsName: string): Promise<void> {
  const answer = await attempt(
    { doing: `check whether the DPS name '${dpsName}' is free`, subject: 'subscription' },
    () => session.iotDps.iotDpsResource.checkProvisioningServiceNameAvailability({ name: dpsName }),
  );
  if (answer.nameAvailable === false) throw nameTaken('DPS', dpsName, answer.message);
}

/** A hub to link: with a key in its connection string. */
export interface HubLink {
  readonly hostName: string;
  readonly location: string;
  readonly connectionString: string;
}

/**
 * Links a hub that is not linked yet. Linking is a PUT of the whole instance: what is there stays, links with the key masked as
 * Azure shows them (it keeps the stored key). A change by somebody else in between is read again, five times at most.
 */
export async function linkHub(
  session: AzureSession,
  target: ProvisioningServiceTarget,
  hub: HubLink,
): Promise<ProvisioningService> {
  const { resourceGroup, dpsName } = target;
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const current = await readDescription(session, target);
    const wanted = withLink(current, hub);
    if (wanted === undefined) return toProvisioningService(session, current, dpsName);
    try {
      const linked = await attempt(
        { doing: `link hub '${hub.hostName}' to DPS instance '${dpsName}'`, subject: 'dps' },
        () =>
          session.iotDps.iotDpsResource.beginCreateOrUpdateAndWait(resourceGroup, dpsName, wanted, {
            updateIntervalInMs: session.pollIntervalMs,
          }),
      );
      return toProvisioningService(session, linked, dpsName);
    } catch (error) {
      if (attemptsLeft === 1 || !hasDpsAdminCode(error, 'ERR_ETAG_STALE', 'ERR_CONFLICT', 'ERR_NOT_ACTIVE'))
        throw error;
      await setTimeout(session.pollIntervalMs);
    }
  }
}

/** The body of the PUT; undefined where the hub is linked already. */
export function withLink(
  current: ProvisioningServiceDescription,
  hub: HubLink,
): ProvisioningServiceDescription | undefined {
  const links = current.properties.iotHubs ?? [];
  if (links.some((link) => isSameHost(linkHostName(link), hub.hostName))) return undefined;
  const properties = { ...current.properties };
  delete properties.state;
  delete properties.provisioningState;
  const { connectionString, location } = hub;
  return { ...current, properties: { ...properties, iotHubs: [...links, { connectionString, location }] } };
}

export function isSameHost(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function linkHostName(link: IotHubDefinitionDescription): string {
  return link.name ?? /HostName=([^;]+)/i.exec(link.connectionString)?.[1] ?? '';
}

function readDescription(
  session: AzureSession,
  target: ProvisioningServiceTarget,
): Promise<ProvisioningServiceDescription> {
  const { resourceGroup, dpsName } = target;
  return attempt({ doing: `read DPS instance '${dpsName}' in resource group '${resourceGroup}'`, subject: 'dps' }, () =>
    session.iotDps.iotDpsResource.get(dpsName, resourceGroup),
  );
}

function toProvisioningService(
  session: AzureSession,
  description: ProvisioningServiceDescription,
  dpsName: string,
): ProvisioningService {
  const { properties, location } = description;
  return {
    name: description.name ?? dpsName,
    location,
    state: properties.state ?? properties.provisioningState ?? 'Unknown',
    idScope: properties.idScope ?? '',
    serviceHost: properties.serviceOperationsHostName ?? `${dpsName}.${session.cloud.provisioningServiceSuffix}`,
    linkedHubs: (properties.iotHubs ?? []).map(linkHostName),
  };
}
