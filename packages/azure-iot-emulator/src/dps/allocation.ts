import { createHash } from 'node:crypto';
import type { HubDirectory } from '../hub/hub-directory.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import { DpsError } from './dps-error.ts';
import type { Enrollment } from './enrollment.ts';
import type { LinkedHub, ProvisioningInstance } from './provisioning-instance.ts';
import { registrationKey } from './registration-id.ts';

/** A linked hub together with the hub itself. */
export interface Target {
  readonly link: LinkedHub;
  readonly hub: IotHub;
}

/** What {@link allocate} chooses for. */
export interface AllocationRequest {
  readonly enrollment: Enrollment;
  readonly registrationId: string;
  /** Host name of the hub that the device is assigned to now. */
  readonly currentHub: string | undefined;
}

/**
 * Chooses the hub of a device: where it is now as long as the enrollment allows that hub; else by the enrollment's
 * policy, or the instance's where the enrollment has none.
 *
 * @throws {DpsError} hubNotFound: nothing is linked, or what was chosen doesn't exist or refuses the stored key
 */
export function allocate(instance: ProvisioningInstance, hubs: HubDirectory, request: AllocationRequest): Target {
  const candidates = findCandidates(instance, request.enrollment);
  const [first] = candidates;
  if (first === undefined) {
    throw new DpsError(
      'hubNotFound',
      'IotHub not found',
      `no hub that '${request.enrollment.id}' allows is linked to this DPS`,
    );
  }
  const current = candidates.find(({ hostName }) => isSameHub(hostName, request.currentHub));
  const policy = request.enrollment.allocationPolicy ?? instance.settings.allocationPolicy;
  // Lowest latency can't be measured on one machine: the first hub stands for it, as it does for a static allocation.
  const link = current ?? (policy === 'hashed' ? chooseByWeight(candidates, request.registrationId) : first);
  return { link, hub: openHub(hubs, link) };
}

/** Only hubs that the enrollment names; without names, every linked hub that takes part in allocation. */
function findCandidates(instance: ProvisioningInstance, enrollment: Enrollment): readonly LinkedHub[] {
  const { linkedHubs } = instance.settings;
  const named =
    enrollment.iotHubs ?? (enrollment.iotHubHostName === undefined ? undefined : [enrollment.iotHubHostName]);
  return named === undefined
    ? linkedHubs.filter(({ applyAllocationPolicy }) => applyAllocationPolicy !== false)
    : named.flatMap((name) => linkedHubs.filter(({ hostName }) => isSameHub(hostName, name)));
}

/** The same device gets the same hub as long as the hubs and their weights stay. */
function chooseByWeight(candidates: readonly LinkedHub[], registrationId: string): LinkedHub {
  const digest = createHash('sha256').update(registrationKey(registrationId)).digest();
  const total = candidates.reduce((sum, link) => sum + (link.allocationWeight ?? 1), 0);
  let position = (digest.readUInt32BE(0) / 0x1_0000_0000) * total;
  for (const link of candidates) {
    position -= link.allocationWeight ?? 1;
    if (position < 0) return link;
  }
  throw new RangeError('Weights are positive, so one of the hubs covers every position.');
}

/**
 * The hub of a link, as DPS reaches it: with the key that was stored when it was linked.
 *
 * @throws {DpsError} hubNotFound; unauthorized: the hub has other keys by now
 */
function openHub(hubs: HubDirectory, link: LinkedHub): IotHub {
  const hub = hubs.findByHostName(link.hostName);
  if (hub === undefined) {
    throw new DpsError('hubNotFound', 'IotHub not found', `the linked hub ${link.hostName} doesn't exist`);
  }
  if (!hasKey(hub, link)) {
    throw new DpsError('unauthorized', 'Unauthorized', `hub ${link.hostName} refuses the key that it was linked with`);
  }
  return hub;
}

/** True where the hub still has the policy and key of the link. */
export function hasKey(hub: IotHub, link: Pick<LinkedHub, 'policyName' | 'key'>): boolean {
  return hub.sharedAccessPolicies.some(
    ({ name, primaryKey, secondaryKey }) =>
      name === link.policyName && (primaryKey === link.key || secondaryKey === link.key),
  );
}

/** Host names compare without regard to case. */
export function isSameHub(a: string, b: string | undefined): boolean {
  return a.toLowerCase() === b?.toLowerCase();
}
