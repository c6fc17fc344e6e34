import { IotDpsClient } from '@azure/arm-deviceprovisioningservices';
import { IotHubClient } from '@azure/arm-iothub';
import { ResourceManagementClient } from '@azure/arm-resources';
import { ClientSecretCredential } from '@azure/identity';
import type { AzureIotEmulator } from '../src/index.ts';

/** Microsoft's management clients, pointed at an emulator as its users point them. */
export interface ManagementClients {
  readonly credential: ClientSecretCredential;
  readonly dps: IotDpsClient;
  readonly hubs: IotHubClient;
  readonly resources: ResourceManagementClient;
}

export function createManagementClients({ cloud }: AzureIotEmulator): ManagementClients {
  const tlsOptions = { ca: cloud.trustedRootsPem };
  const { tenantId, clientId, clientSecret } = cloud.servicePrincipal;
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret, {
    authorityHost: cloud.authorityHost,
    disableInstanceDiscovery: true,
    tlsOptions,
  });
  const options = { endpoint: cloud.resourceManagerEndpoint, tlsOptions };
  return {
    credential,
    dps: new IotDpsClient(credential, cloud.subscriptionId, options),
    hubs: new IotHubClient(credential, cloud.subscriptionId, options),
    resources: new ResourceManagementClient(credential, cloud.subscriptionId, options),
  };
}

/** A resource group with a hub and a DPS that is linked to it, made through Resource Manager. */
export async function createLinkedServices(
  { dps, hubs, resources }: ManagementClients,
  names: { readonly group: string; readonly hub: string; readonly dps: string },
): Promise<{ readonly idScope: string; readonly hubHost: string }> {
  await resources.resourceGroups.createOrUpdate(names.group, { location: 'westeurope' });
  const hub = await hubs.iotHubResource.beginCreateOrUpdateAndWait(names.group, names.hub, {
    location: 'westeurope',
    sku: { name: 'S1', capacity: 1 },
  });
  const service = await dps.iotDpsResource.beginCreateOrUpdateAndWait(names.group, names.dps, {
    location: 'westeurope',
    sku: { name: 'S1', capacity: 1 },
    properties: { iotHubs: [{ connectionString: await ownerConnectionString(hubs, names), location: 'westeurope' }] },
  });
  return { idScope: service.properties.idScope ?? '', hubHost: hub.properties?.hostName ?? '' };
}

/** Connection string of a hub's owner policy, put together from what Resource Manager says. */
export async function ownerConnectionString(
  hubs: IotHubClient,
  { group, hub }: { readonly group: string; readonly hub: string },
): Promise<string> {
  const { properties } = await hubs.iotHubResource.get(group, hub);
  const { primaryKey } = await hubs.iotHubResource.getKeysForKeyName(group, hub, 'iothubowner');
  return `HostName=${properties?.hostName ?? ''};SharedAccessKeyName=iothubowner;SharedAccessKey=${primaryKey ?? ''}`;
}

/** Everything that a paged list gives. */
export async function collect<Item>(list: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of list) items.push(item);
  return items;
}
