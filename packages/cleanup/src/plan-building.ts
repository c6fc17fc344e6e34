import { groupsAbove } from './group-chain.ts';
import type { Inventory } from './inventory.ts';
import type { CleanupPlan, CleanupRequest, CleanupStep, CleanupWarning } from './plan.ts';

/**
 * The steps for what is there. First nothing may admit the device any more, then its hub identity and registration record go, and the
 * group last: its deletion would leave records behind that nobody can list.
 */
export function buildPlan(request: Required<CleanupRequest>, inventory: Inventory): CleanupPlan {
  const { resourceGroup, dpsName, iotHubName, deviceId, enrollmentGroupId } = request;
  const above = request.keepGroup ? [] : groupsAbove(inventory);
  return {
    cloud: inventory.cloud,
    subscriptionId: inventory.subscriptionId,
    resourceGroup,
    dpsName,
    iotHubName,
    deviceId,
    enrollmentGroupId,
    steps: [
      ...(request.keepGroup ? [blockStep(request, inventory)] : admissionSteps(request, inventory)),
      ...identitySteps(request, inventory),
      recordStep(request, inventory),
      ...(request.keepGroup || above.length > 0 ? [] : [groupDeletionStep(request, inventory)]),
    ],
    warnings: [...groupWarnings(request, inventory, above), ...deviceWarnings(request, inventory)],
  };
}

function admissionSteps(request: Required<CleanupRequest>, { group, individual }: Inventory): CleanupStep[] {
  const steps: CleanupStep[] = [];
  if (group?.provisioningStatus === 'enabled') {
    steps.push({
      action: 'disable-enrollment-group',
      title: `Disable enrollment group '${request.enrollmentGroupId}'`,
      reason: 'first, so that no device can register again through it while the rest is taken away',
      isThere: true,
      enrollmentGroupId: request.enrollmentGroupId,
      etag: group.etag,
    });
  }
  if (individual?.provisioningStatus === 'enabled') steps.push(blockStep(request, { individual }));
  return steps;
}

function blockStep(
  { deviceId, enrollmentGroupId }: Required<CleanupRequest>,
  { individual }: Pick<Inventory, 'individual'>,
): CleanupStep {
  return {
    action: 'block-device',
    title: `${individual === undefined ? 'Create a disabled' : 'Disable the'} individual enrollment '${deviceId}'`,
    reason:
      individual === undefined
        ? `DPS looks at it before enrollment group '${enrollmentGroupId}', which stays in use and would admit the device`
        : 'DPS looks at it before any group, and it would admit the device',
    isThere: true,
    registrationId: deviceId,
  };
}

function identitySteps({ deviceId }: Required<CleanupRequest>, { identities }: Inventory): CleanupStep[] {
  return identities.map(({ hubHostName, identity }) => ({
    action: 'delete-device-identity',
    title: `Delete device '${deviceId}' from hub '${hubHostName}'`,
    reason:
      'a device that is out of DPS still connects to the hub with its certificate; this ends its connection as well',
    isThere: identity !== undefined,
    hubHostName,
    deviceId,
  }));
}

function recordStep({ deviceId }: Required<CleanupRequest>, { record }: Inventory): CleanupStep {
  return {
    action: 'delete-registration-record',
    title: `Delete registration record '${deviceId}'`,
    reason: 'it outlives its enrollment and counts against the quota of the DPS instance',
    isThere: record !== undefined,
    registrationId: deviceId,
  };
}

function groupDeletionStep({ enrollmentGroupId }: Required<CleanupRequest>, { group }: Inventory): CleanupStep {
  return {
    action: 'delete-enrollment-group',
    title: `Delete enrollment group '${enrollmentGroupId}'`,
    reason: 'last, when nothing of the device is left',
    isThere: group !== undefined,
    enrollmentGroupId,
  };
}

function groupWarnings(
  { deviceId, enrollmentGroupId, keepGroup }: Required<CleanupRequest>,
  { group, groupRecords, record }: Inventory,
  above: readonly string[],
): CleanupWarning[] {
  const warnings: CleanupWarning[] = [];
  if (above.length > 0) {
    warnings.push({
      code: 'group-above-admits',
      message: `Enrollment group '${enrollmentGroupId}' is disabled and kept, not deleted: ${quoted(above)} covers an authority above it and would admit its devices if it were gone.`,
    });
  }
  const others = groupRecords.map(({ registrationId }) => registrationId).filter((id) => !isSameId(id, deviceId));
  if (others.length > 0 && !keepGroup) {
    warnings.push({
      code: 'other-devices-in-group',
      message: `${others.length} other device(s) registered through enrollment group '${enrollmentGroupId}' (${quoted(others.slice(0, 5))}${others.length > 5 ? ', ...' : ''}): they stay in their hubs and can connect, but cannot register again. Clean each up first, or keep the group.`,
    });
  }
  if (
    group !== undefined &&
    record !== undefined &&
    !groupRecords.some(({ registrationId }) => isSameId(registrationId, deviceId))
  ) {
    warnings.push({
      code: 'not-registered-through-group',
      message: `Device '${deviceId}' did not register through enrollment group '${enrollmentGroupId}'. Check both names.`,
    });
  }
  return warnings;
}

function deviceWarnings(
  { deviceId, iotHubName, keepGroup }: Required<CleanupRequest>,
  { identities, individual }: Inventory,
): CleanupWarning[] {
  const warnings: CleanupWarning[] = [];
  const [, other] = identities;
  if (other !== undefined) {
    warnings.push({
      code: 'assigned-to-other-hub',
      message: `DPS assigned device '${deviceId}' to hub '${other.hubHostName}', not to '${iotHubName}': it is deleted from both.`,
    });
  }
  if (individual !== undefined || keepGroup) {
    warnings.push({
      code: 'individual-enrollment-stays',
      message: `Individual enrollment '${deviceId}' stays, disabled: without it a group could admit the device again.`,
    });
  }
  return warnings;
}

/** DPS does not tell upper from lower case in registration IDs. */
function isSameId(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
