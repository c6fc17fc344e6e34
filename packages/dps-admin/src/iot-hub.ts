import type { IotHubDescription, SharedAccessSignatureAuthorizationRule } from '@azure/arm-iothub';
import type { AzureSession } from './azure-session.ts';
import { DpsAdminError, hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import { attempt } from './transport/attempt.ts';

export interface IotHub {
  readonly name: string;
  /** `{name}.azure-devices.net` or as the cloud has it, with a port where it names one; empty while the hub is being activated. */
  readonly hostName: string;
  readonly location: string;
  /** `Active` when it can be used; otherwise Azure's word, for example `Activating` or `Deleting`. */
  readonly state: string;
}

export interface IotHubTarget {
  readonly resourceGroup: string;
  readonly hubName: string;
}

/**
 * Undefined where the resource group has no such hub.
 *
 * @throws {DpsAdminError} ERR_RESOURCE_GROUP_NOT_FOUND
 */
export async function getIotHub(session: AzureSession, target: IotHubTarget): Promise<IotHub | undefined> {
  const { resourceGroup, hubName } = target;
  checkName('resourceGroup', resourceGroup);
  checkName('hubName', hubName);
  try {
    const hub = await attempt(
      { doing: `read hub '${hubName}' in resource group '${resourceGroup}'`, subject: 'iot-hub' },
      () => session.iotHubs.iotHubResource.get(resourceGroup, hubName),
    );
    return toIotHub(hub, hubName);
  } catch (error) {
    if (hasDpsAdminCode(error, 'ERR_HUB_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Creates a hub of one S1 unit; resolves when it is active (minutes on Azure). */
export async function createIotHub(session: AzureSession, target: IotHubTarget, location: string): Promise<IotHub> {
  const { resourceGroup, hubName } = target;
  const hub = await attempt(
    { doing: `create hub '${hubName}' in resource group '${resourceGroup}' (${location})`, subject: 'iot-hub' },
    () =>
      session.iotHubs.iotHubResource.beginCreateOrUpdateAndWait(
        resourceGroup,
        hubName,
        { location, sku: { name: 'S1', capacity: 1 } },
        { updateIntervalInMs: session.pollIntervalMs },
      ),
  );
  return toIotHub(hub, hubName);
}

/** @throws {DpsAdminError} ERR_NAME_TAKEN: hub names are shared by all of Azure */
export async function checkHubNameIsFree(session: AzureSession, hubName: string): Promise<void> {
  const answer = await attempt(
    { doing: `check whether the hub name '${hubName}' is free`, subject: 'subscription' },
    () => session.iotHubs.iotHubResource.checkNameAvailability({ name: hubName }),
  );
  if (answer.nameAvailable === false) throw nameTaken('hub', hubName, answer.message);
}

export function nameTaken(title: string, name: string, message: string | undefined): DpsAdminError {
  return new DpsAdminError(
    'ERR_NAME_TAKEN',
    `The ${title} name '${name}' is taken${message === undefined ? '' : ` (${message})`}. Names are shared by all of Azure: choose another one, or name the resource group that has it.`,
    { advice: 'fix-input' },
  );
}

/**
 * The connection string by which DPS may register devices in the hub. It holds a key: for the link only, never for a log.
 *
 * @throws {DpsAdminError} ERR_HUB_POLICY_MISSING: no shared access policy has both RegistryWrite and ServiceConnect
 */
export async function readLinkConnectionString(
  session: AzureSession,
  target: IotHubTarget,
  hostName: string,
): Promise<string> {
  const { resourceGroup, hubName } = target;
  const policies: SharedAccessSignatureAuthorizationRule[] = [];
  await attempt({ doing: `read the shared access policies of hub '${hubName}'`, subject: 'iot-hub' }, async () => {
    for await (const policy of session.iotHubs.iotHubResource.listKeys(resourceGroup, hubName)) policies.push(policy);
  });
  const policy = chooseLinkPolicy(policies);
  if (policy?.primaryKey === undefined) {
    throw new DpsAdminError(
      'ERR_HUB_POLICY_MISSING',
      `Hub '${hubName}' has no shared access policy with RegistryWrite and ServiceConnect, which DPS needs to register devices. Add one: az iot hub policy create --hub-name ${hubName} --name dps --permissions RegistryWrite ServiceConnect.`,
      { advice: 'fix-azure' },
    );
  }
  return `HostName=${hostName};SharedAccessKeyName=${policy.keyName};SharedAccessKey=${policy.primaryKey}`;
}

/** The policy with the fewest rights of those that are enough. */
export function chooseLinkPolicy<Policy extends { readonly rights: string }>(
  policies: readonly Policy[],
): Policy | undefined {
  const rights = (policy: Policy): string[] => policy.rights.split(',').map((right) => right.trim().toLowerCase());
  return policies
    .filter((policy) => ['registrywrite', 'serviceconnect'].every((right) => rights(policy).includes(right)))
    .sort((a, b) => rights(a).length - rights(b).length)[0];
}

function toIotHub(hub: IotHubDescription, hubName: string): IotHub {
  return {
    name: hub.name ?? hubName,
    hostName: hub.properties?.hostName ?? '',
    location: hub.location,
    state: hub.properties?.state ?? hub.properties?.provisioningState ?? 'Unknown',
  };
}
