import type { CertificateRecord } from '../inventory/record.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { keyIdentifierOf, type PlannedDevice } from './source-batches.ts';

/** What the inventory knows of devices that want a certificate. */
export interface Standing {
  /** By registration ID: the latest certificate. */
  current: ReadonlyMap<string, CertificateRecord>;
  /** By key identifier: the device for which that key has been certified. */
  keyOwners: ReadonlyMap<string, string>;
}

export async function readStanding(inventory: Inventory, plans: readonly PlannedDevice[]): Promise<Standing> {
  const keys = plans.flatMap((plan) => keyIdentifierOf(plan) ?? []);
  return {
    current: await inventory.findCurrent(plans.map(({ registrationId }) => registrationId)),
    keyOwners: keys.length === 0 ? new Map() : await inventory.findKeyOwners(keys),
  };
}

/** The key in a device's request, and whose it is already. */
export function keyIn(
  plan: PlannedDevice,
  { keyOwners }: Standing,
): { keyIdentifier: string | undefined; keyOwner: string | undefined } {
  const keyIdentifier = keyIdentifierOf(plan);
  return { keyIdentifier, keyOwner: keyIdentifier === undefined ? undefined : keyOwners.get(keyIdentifier) };
}
