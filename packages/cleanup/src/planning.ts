import { isDpsAdminError } from '@contoso/dps-admin';
import type { AzureSession } from '@contoso/dps-admin';
import { CleanupError } from './errors.ts';
import { takeInventory } from './inventory.ts';
import { buildPlan } from './plan-building.ts';
import type { CleanupPlan, CleanupRequest } from './plan.ts';

/**
 * Looks what is there of a device and its group and says what will be done: the dry run. Changes nothing.
 *
 * @throws {CleanupError} ERR_CLEANUP_RESOURCE_GROUP_MISSING, ERR_CLEANUP_DPS_MISSING, ERR_CLEANUP_HUB_MISSING
 * @throws {CleanupError} ERR_CLEANUP_INPUT: a name outside Azure's rules
 * @throws {CleanupError} ERR_CLEANUP_PLAN_FAILED: Azure could not be asked (a hub that is down, a missing role); see `cause`
 */
export async function planCleanup(session: AzureSession, request: CleanupRequest): Promise<CleanupPlan> {
  for (const name of ['resourceGroup', 'dpsName', 'iotHubName', 'deviceId'] as const) {
    if (typeof request[name] !== 'string') throw new TypeError(`${name} has to be a string.`);
  }
  const complete = { enrollmentGroupId: 'x509GroupEnrollment', keepGroup: false, ...request };
  try {
    return buildPlan(complete, await takeInventory(session, complete));
  } catch (cause) {
    if (!isDpsAdminError(cause)) throw cause;
    const code = cause.code === 'ERR_INVALID_INPUT' ? 'ERR_CLEANUP_INPUT' : 'ERR_CLEANUP_PLAN_FAILED';
    throw new CleanupError(code, `The clean-up was not planned and nothing was changed. ${cause.message}`, { cause });
  }
}
