import type { HubDirectory } from '../hub/hub-directory.ts';
import { HubError } from '../hub/hub-error.ts';
import type { DeviceExport } from '../hub/iot-hub.ts';
import { allocate, isSameHub, type Target } from './allocation.ts';
import type { Attested } from './attested.ts';
import { DpsError } from './dps-error.ts';
import type { ProvisioningInstance } from './provisioning-instance.ts';
import type { RegistrationRecord, RegistrationSubstatus } from './registration-record.ts';

/** The device api-version from which a device that the hub knew already is told so (C# SDK, RegistrationSubstatus). */
const TELLS_REPROVISIONED_SINCE = '2019-04-15';

/** A device that was let in and asks for its hub. */
export interface AssignmentRequest {
  readonly attested: Attested;
  readonly registrationId: string;
  readonly apiVersion: string;
}

/**
 * Gives a device its hub and writes the registration record. A failure on the hub's side is recorded too: the device
 * learns it from the operation, not from the register call.
 */
export function assign(
  instance: ProvisioningInstance,
  hubs: HubDirectory,
  request: AssignmentRequest,
): RegistrationRecord {
  const { enrollment } = request.attested;
  const common = {
    registrationId: request.registrationId,
    attestationType: request.attested.thumbprints === undefined ? ('symmetricKey' as const) : ('x509' as const),
    ...(enrollment.kind === 'group' && { enrollmentGroupId: enrollment.id }),
  };
  try {
    const assigned = assignHub(instance, hubs, request);
    return instance.registrations.put({ ...common, status: 'assigned', ...assigned });
  } catch (error) {
    if (!(error instanceof DpsError || error instanceof HubError)) throw error;
    const reason = error instanceof DpsError ? error.reason : undefined;
    const errorMessage = reason === undefined ? error.message : `${error.message}: ${reason}`;
    const { assignedHub, deviceId } = instance.registrations.find(request.registrationId) ?? {};
    return instance.registrations.put({
      ...common,
      ...(assignedHub !== undefined && { assignedHub }),
      ...(deviceId !== undefined && { deviceId }),
      status: 'failed',
      errorCode: error.code,
      errorMessage,
    });
  }
}

type Assigned = Required<Pick<RegistrationRecord, 'assignedHub' | 'deviceId' | 'substatus'>>;

function assignHub(instance: ProvisioningInstance, hubs: HubDirectory, request: AssignmentRequest): Assigned {
  const { enrollment } = request.attested;
  const before = instance.registrations.find(request.registrationId);
  const target = allocate(instance, hubs, {
    enrollment,
    registrationId: request.registrationId,
    currentHub: before?.assignedHub,
  });
  if (isPinnedElsewhere(request, before, target)) {
    throw new DpsError(
      'hubNotFound',
      'IotHub not found',
      `the device stays with ${before?.assignedHub ?? ''} (updateHubAssignment is false), which this DPS may not use any more`,
    );
  }
  const deviceId = enrollment.deviceId ?? request.registrationId;
  const substatus = moveIn({ request, before, target, hubs, deviceId });
  return { assignedHub: target.link.hostName, deviceId, substatus };
}

/** With updateHubAssignment false a device never changes its hub once it has one. */
function isPinnedElsewhere(
  { attested }: AssignmentRequest,
  before: RegistrationRecord | undefined,
  { link }: Target,
): boolean {
  if (attested.enrollment.reprovisionPolicy.updateHubAssignment || before?.assignedHub === undefined) return false;
  return !isSameHub(link.hostName, before.assignedHub);
}

interface Move {
  readonly request: AssignmentRequest;
  readonly before: RegistrationRecord | undefined;
  readonly target: Target;
  readonly hubs: HubDirectory;
  readonly deviceId: string;
}

/** Writes the identity on the target hub, with the old hub's data or with the enrollment's initial twin. */
function moveIn({ request, before, target, hubs, deviceId }: Move): RegistrationSubstatus {
  const { enrollment, thumbprints, symmetricKeys } = request.attested;
  const { migrateDeviceData } = enrollment.reprovisionPolicy;
  const isMoving = before?.assignedHub !== undefined && !isSameHub(target.link.hostName, before.assignedHub);
  const oldHub = isMoving ? hubs.findByHostName(before.assignedHub ?? '') : undefined;
  const oldDeviceId = before?.deviceId ?? deviceId;
  const migrated: DeviceExport | undefined = migrateDeviceData ? oldHub?.exportDevice(oldDeviceId) : undefined;
  const wasThere = target.hub.hasDevice(deviceId);
  const isReset =
    before?.assignedHub !== undefined && !migrateDeviceData && enrollment.reprovisionPolicy.updateHubAssignment;
  if (isReset && wasThere) target.hub.remove(deviceId);
  target.hub.provision(
    {
      deviceId,
      capabilities: enrollment.capabilities,
      ...(thumbprints && { thumbprints }),
      ...(symmetricKeys && { symmetricKeys }),
      ...(enrollment.initialTwin && { initialTwin: enrollment.initialTwin }),
    },
    migrated,
  );
  oldHub?.remove(oldDeviceId);
  if (isReset) return 'deviceDataReset';
  if (isMoving) return 'deviceDataMigrated';
  return wasThere && request.apiVersion >= TELLS_REPROVISIONED_SINCE
    ? 'reprovisionedToInitialAssignment'
    : 'initialAssignment';
}
