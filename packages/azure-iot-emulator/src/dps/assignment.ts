import type { DeviceExport } from '../hub/device-transfer.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import { HubError } from '../hub/hub-error.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { allocate, type AllocationPlace, findCandidates, isSameHub, openLinkedHub, type Target } from './allocation.ts';
import { tellsReprovisioned } from './api-version.ts';
import type { Attested } from './attested.ts';
import { askWebhook, type CustomAllocation } from './custom-allocation.ts';
import type { DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import type { DpsLimits } from './dps-limits.ts';
import type { RegistrationRecord, RegistrationSubstatus } from './registration-record.ts';

/** A device that was let in and asks for its hub. */
export interface AssignmentRequest {
  readonly attested: Attested;
  readonly registrationId: string;
  readonly apiVersion: string;
  /** What the device sent along; undefined where it sent nothing. */
  readonly payload: unknown;
}

/** Where {@link assign} works. */
export interface AssignmentPlace extends AllocationPlace {
  readonly assumptions: DpsAssumptions;
  readonly limits?: DpsLimits;
  /** Makes the pauses between calls of a webhook. */
  readonly startTimer: StartTimer;
  readonly log: (line: string) => void;
}

/**
 * Gives a device its hub and writes the registration record. A failure on the hub's or a webhook's side is recorded too:
 * the device learns it from the operation, not from the register call.
 */
export async function assign(place: AssignmentPlace, request: AssignmentRequest): Promise<RegistrationRecord> {
  const { instance } = place;
  const { enrollment, leaf } = request.attested;
  const common = {
    registrationId: request.registrationId,
    attestationType: leaf === undefined ? ('symmetricKey' as const) : ('x509' as const),
    ...(enrollment.kind === 'group' && { enrollmentGroupId: enrollment.id }),
  };
  try {
    instance.registrations.requireRoom(request.registrationId, place.limits?.registrations ?? Infinity);
    const assigned = await assignHub(place, request);
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

type Assigned = Required<Pick<RegistrationRecord, 'assignedHub' | 'deviceId' | 'substatus'>> &
  Pick<RegistrationRecord, 'payload'>;

async function assignHub(place: AssignmentPlace, request: AssignmentRequest): Promise<Assigned> {
  const { enrollment } = request.attested;
  const { registrationId } = request;
  const { instance, hubs, assumptions } = place;
  const asked = enrollment.allocationPolicy === 'custom' ? await askForHub(place, request) : undefined;
  // Read after the webhook has answered: meanwhile the device may have registered again.
  const before = instance.registrations.find(registrationId);
  const isPinned = !enrollment.reprovisionPolicy.updateHubAssignment && before?.assignedHub !== undefined;
  const stays = isPinned || assumptions.allowedHub === 'stay';
  const target =
    asked && !isPinned
      ? openLinkedHub(place, enrollment, asked.iotHubHostName)
      : allocate(place, { enrollment, registrationId, currentHub: stays ? before?.assignedHub : undefined });
  if (isPinned && !isSameHub(target.link.hostName, before.assignedHub)) {
    throw new DpsError(
      'hubNotFound',
      'IotHub not found',
      `the device stays with ${before.assignedHub ?? ''} (updateHubAssignment is false), which this DPS may not use any more`,
    );
  }
  const deviceId = enrollment.deviceId ?? registrationId;
  const substatus = moveIn({ request, before, target, hubs, deviceId, initialTwin: asked?.initialTwin });
  return {
    assignedHub: target.link.hostName,
    deviceId,
    substatus,
    ...(asked?.payload !== undefined && { payload: asked.payload }),
  };
}

function askForHub(place: AssignmentPlace, request: AssignmentRequest): Promise<CustomAllocation> {
  const { instance, assumptions, startTimer, log } = place;
  const linkedHubs = findCandidates(instance, request.attested.enrollment).map(({ hostName }) => hostName);
  const before = instance.registrations.find(request.registrationId);
  return askWebhook(
    { ...request, before, linkedHubs },
    { timeoutSeconds: assumptions.webhookTimeoutSeconds, startTimer, log },
  );
}

interface Move {
  readonly request: AssignmentRequest;
  readonly before: RegistrationRecord | undefined;
  readonly target: Target;
  readonly hubs: HubDirectory;
  readonly deviceId: string;
  /** A webhook's, which takes the place of migrated data. */
  readonly initialTwin: CustomAllocation['initialTwin'];
}

/** Writes the identity on the target hub, with the old hub's data or with the enrollment's initial twin. */
function moveIn({ request, before, target, hubs, deviceId, initialTwin }: Move): RegistrationSubstatus {
  const { enrollment, thumbprints, isCertificateAuthority, symmetricKeys } = request.attested;
  const twin = initialTwin ?? enrollment.initialTwin;
  const { migrateDeviceData } = enrollment.reprovisionPolicy;
  const isMoving = before?.assignedHub !== undefined && !isSameHub(target.link.hostName, before.assignedHub);
  const oldHub = isMoving ? hubs.findByHostName(before.assignedHub ?? '') : undefined;
  const oldDeviceId = before?.deviceId ?? deviceId;
  const isMigrating = migrateDeviceData && initialTwin === undefined;
  const migrated: DeviceExport | undefined = isMigrating ? oldHub?.exportDevice(oldDeviceId) : undefined;
  const wasThere = target.hub.hasDevice(deviceId);
  const isReset =
    before?.assignedHub !== undefined && !migrateDeviceData && enrollment.reprovisionPolicy.updateHubAssignment;
  if (isReset && wasThere) target.hub.remove(deviceId);
  target.hub.provision(
    {
      deviceId,
      capabilities: enrollment.capabilities,
      ...(thumbprints && { thumbprints }),
      ...(isCertificateAuthority && { isCertificateAuthority }),
      ...(symmetricKeys && { symmetricKeys }),
      ...(twin && { initialTwin: twin }),
    },
    migrated,
  );
  oldHub?.remove(oldDeviceId);
  if (isReset) return 'deviceDataReset';
  if (isMoving) return 'deviceDataMigrated';
  return wasThere && tellsReprovisioned(request.apiVersion) ? 'reprovisionedToInitialAssignment' : 'initialAssignment';
}
