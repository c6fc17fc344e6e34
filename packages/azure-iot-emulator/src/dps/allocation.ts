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

/** Milliseconds from a device to a hub, by the hub's name; undefined where nobody knows. */
export type HubLatency = (hubName: string, registrationId: string) => number | undefined;

/** Where {@link allocate} chooses. */
export interface AllocationPlace {
  readonly instance: ProvisioningInstance;
  readonly hubs: HubDirectory;
  readonly hubLatencyMs?: HubLatency;
}

/**
 * Chooses the hub of a device: where it is now as long as the enrollment allows that hub; else by the enrollment's
 * policy, or the instance's where the enrollment has none.
 *
 * @throws {DpsError} hubNotFound: nothing is linked, or what was chosen doesn't exist or refuses the stored key
 */
export function allocate(place: AllocationPlace, request: AllocationRequest): Target {
  const { instance, hubs } = place;
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
  if (current !== undefined) return { link: current, hub: openHub(hubs, current) };
  const policy = request.enrollment.allocationPolicy ?? instance.settings.allocationPolicy;
  const { registrationId } = request;
  const link =
    policy === 'hashed'
      ? chooseByWeight(candidates, registrationId)
      : policy === 'geoLatency'
        ? chooseByLatency(candidates, (name) => place.hubLatencyMs?.(name, registrationId) ?? Infinity)
        : first;
  return { link: link ?? first, hub: openHub(hubs, link ?? first) };
}

/** The nearest; the first of those where none is nearer, and so the first of all where no latency is stated. */
function chooseByLatency(
  candidates: readonly LinkedHub[],
  latencyOf: (hubName: string) => number,
): LinkedHub | undefined {
  const latencies = candidates.map(({ hostName }) => latencyOf(hostName.split('.')[0] ?? hostName));
  return candidates[latencies.indexOf(Math.min(...latencies))];
}

/**
 * The hub that a webhook chose.
 *
 * @throws {DpsError} hubNotFound: it isn't one that the webhook was told; unauthorized: it has other keys by now
 */
export function openLinkedHub({ instance, hubs }: AllocationPlace, enrollment: Enrollment, hostName: string): Target {
  const link = findCandidates(instance, enrollment).find((linked) => isSameHub(linked.hostName, hostName));
  if (link !== undefined) return { link, hub: openHub(hubs, link) };
  throw new DpsError(
    'hubNotFound',
    'IotHub not found',
    `the webhook chose ${hostName}, which is none of its linkedHubs`,
  );
}

/** Only hubs that the enrollment names; without names, every linked hub that takes part in allocation. */
export function findCandidates(instance: ProvisioningInstance, enrollment: Enrollment): readonly LinkedHub[] {
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
