import type { AzureSession } from './azure-session.ts';
import { DpsAdminError } from './errors.ts';
import type { MissingPrerequisite } from './errors.ts';
import { getIotHub } from './iot-hub.ts';
import type { IotHub } from './iot-hub.ts';
import { getProvisioningService, isSameHost } from './provisioning-service.ts';
import type { ProvisioningService } from './provisioning-service.ts';
import { getResourceGroup } from './resource-group.ts';
import type { ResourceGroup } from './resource-group.ts';

export interface WantedResources {
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly hubNames: readonly string[];
  readonly location?: string;
}

/** What is there of the wanted resources. */
export interface Survey {
  readonly resourceGroup: ResourceGroup | undefined;
  readonly hubs: readonly { readonly name: string; readonly hub: IotHub | undefined }[];
  readonly dps: ProvisioningService | undefined;
}

export async function surveyResources(session: AzureSession, wanted: WantedResources): Promise<Survey> {
  const { dpsName, hubNames } = wanted;
  const resourceGroup = await getResourceGroup(session, wanted.resourceGroup);
  if (resourceGroup === undefined) {
    return { resourceGroup, hubs: hubNames.map((name) => ({ name, hub: undefined })), dps: undefined };
  }
  const [dps, ...hubs] = await Promise.all([
    getProvisioningService(session, { resourceGroup: wanted.resourceGroup, dpsName }),
    ...hubNames.map(async (hubName) => ({
      name: hubName,
      hub: await getIotHub(session, { resourceGroup: wanted.resourceGroup, hubName }),
    })),
  ]);
  return { resourceGroup, hubs, dps };
}

export function listMissing(survey: Survey, wanted: WantedResources): MissingPrerequisite[] {
  const { resourceGroup, dpsName, location } = wanted;
  const where = `--resource-group ${resourceGroup}`;
  const missing: MissingPrerequisite[] = [];
  if (survey.resourceGroup === undefined) {
    const remedy = `az group create --name ${resourceGroup} --location ${location ?? 'LOCATION'}`;
    missing.push({ kind: 'resource-group', name: resourceGroup, remedy });
  }
  for (const { name, hub } of survey.hubs) {
    if (hub === undefined)
      missing.push({ kind: 'iot-hub', name, remedy: `az iot hub create --name ${name} ${where} --sku S1` });
  }
  if (survey.dps === undefined) {
    missing.push({ kind: 'dps', name: dpsName, remedy: `az iot dps create --name ${dpsName} ${where}` });
  }
  for (const { name, hub } of survey.hubs) {
    if (isLinkMissing(survey.dps, hub)) {
      const remedy = `az iot dps linked-hub create --dps-name ${dpsName} ${where} --hub-name ${name}`;
      missing.push({ kind: 'link', name, remedy });
    }
  }
  return missing;
}

function isLinkMissing(dps: ProvisioningService | undefined, hub: IotHub | undefined): boolean {
  return hub === undefined || dps?.linkedHubs.some((linked) => isSameHost(linked, hub.hostName)) !== true;
}

const titles: Readonly<Record<MissingPrerequisite['kind'], string>> = {
  'resource-group': 'resource group',
  'iot-hub': 'hub',
  dps: 'DPS instance',
  link: 'link to hub',
};

export function missingError(missing: readonly MissingPrerequisite[]): DpsAdminError {
  const list = missing.map(({ kind, name, remedy }) => `- ${titles[kind]} '${name}': ${remedy}`).join('\n');
  return new DpsAdminError(
    'ERR_PREREQUISITES_MISSING',
    `Nothing was changed, because this is missing:\n${list}\nCreate it like this, or run again with createMissing.`,
    { advice: 'fix-azure', missing },
  );
}
