import {
  getDeviceIdentity,
  getEnrollmentGroup,
  getIndividualEnrollment,
  getIotHub,
  getProvisioningService,
  getRegistrationRecord,
  getResourceGroup,
  listCaCertificates,
  listEnrollmentGroups,
  listRegistrationRecords,
} from '@contoso/dps-admin';
import type {
  AzureSession,
  CaCertificate,
  DeviceIdentity,
  EnrollmentGroup,
  IndividualEnrollment,
  RegistrationRecord,
} from '@contoso/dps-admin';
import { CleanupError } from './errors.ts';
import type { CleanupRequest } from './plan.ts';

/** What is there of a device and its group. */
export interface Inventory {
  readonly cloud: string;
  readonly subscriptionId: string;
  readonly group: EnrollmentGroup | undefined;
  readonly groups: readonly EnrollmentGroup[];
  readonly caCertificates: readonly CaCertificate[];
  /** Records of all devices that registered through the group. */
  readonly groupRecords: readonly RegistrationRecord[];
  readonly individual: IndividualEnrollment | undefined;
  readonly record: RegistrationRecord | undefined;
  /** The named hub first; then the hub that DPS assigned the device to, where that is another one. */
  readonly identities: readonly { readonly hubHostName: string; readonly identity: DeviceIdentity | undefined }[];
}

/** Reads only. */
export async function takeInventory(session: AzureSession, request: Required<CleanupRequest>): Promise<Inventory> {
  const { dpsName, deviceId, enrollmentGroupId } = request;
  const { hubHostName, linkedHubs } = await findTargets(session, request);
  const [group, groups, caCertificates, groupRecords, individual, record] = await Promise.all([
    getEnrollmentGroup(session, { dpsName, enrollmentGroupId }),
    listEnrollmentGroups(session, dpsName),
    listCaCertificates(session, request),
    listRegistrationRecords(session, { dpsName, enrollmentGroupId }),
    getIndividualEnrollment(session, { dpsName, registrationId: deviceId }),
    getRegistrationRecord(session, { dpsName, registrationId: deviceId }),
  ]);
  const hubs = [hubHostName, ...otherHub(record, hubHostName, linkedHubs)];
  const identities = await Promise.all(
    hubs.map(async (host) => ({
      hubHostName: host,
      identity: await getDeviceIdentity(session, { hubHostName: host, deviceId }),
    })),
  );
  const { cloud, subscriptionId } = session;
  return {
    cloud: cloud.name,
    subscriptionId,
    group,
    groups,
    caCertificates,
    groupRecords,
    individual,
    record,
    identities,
  };
}

/** Where DPS sent the device, if that is not the named hub; only a linked hub, since one that is gone cannot be asked. */
function otherHub(
  record: RegistrationRecord | undefined,
  hubHostName: string,
  linkedHubs: readonly string[],
): string[] {
  const assigned = record?.assignedHub?.toLowerCase();
  return linkedHubs.filter((host) => host.toLowerCase() === assigned && assigned !== hubHostName.toLowerCase());
}

async function findTargets(
  session: AzureSession,
  { resourceGroup, dpsName, iotHubName }: Required<CleanupRequest>,
): Promise<{ hubHostName: string; linkedHubs: readonly string[] }> {
  if ((await getResourceGroup(session, resourceGroup)) === undefined) {
    throw missing(
      'ERR_CLEANUP_RESOURCE_GROUP_MISSING',
      `There is no resource group '${resourceGroup}' in subscription ${session.subscriptionId}`,
    );
  }
  const [dps, hub] = await Promise.all([
    getProvisioningService(session, { resourceGroup, dpsName }),
    getIotHub(session, { resourceGroup, hubName: iotHubName }),
  ]);
  if (dps === undefined) {
    throw missing('ERR_CLEANUP_DPS_MISSING', `Resource group '${resourceGroup}' has no DPS instance '${dpsName}'`);
  }
  if (hub === undefined) {
    throw missing('ERR_CLEANUP_HUB_MISSING', `Resource group '${resourceGroup}' has no hub '${iotHubName}'`);
  }
  if (hub.state !== 'Active') {
    throw missing(
      'ERR_CLEANUP_HUB_MISSING',
      `Hub '${iotHubName}' is ${hub.state}, not Active: its devices cannot be read`,
    );
  }
  return { hubHostName: hub.hostName, linkedHubs: dps.linkedHubs };
}

function missing(code: CleanupError['code'], what: string): CleanupError {
  return new CleanupError(code, `${what}. Check the name and the subscription. Nothing was changed.`);
}
