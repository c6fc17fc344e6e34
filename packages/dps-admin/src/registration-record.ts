import type { AzureSession } from './azure-session.ts';
import { checkName } from './resource-name.ts';
import { readText } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';
import { deleteItem, getItem, queryItems } from './provisioning-service-api.ts';
import type { ItemRequest } from './provisioning-service-api.ts';

export interface RegistrationTarget {
  readonly dpsName: string;
  readonly registrationId: string;
}

/** What DPS remembers of a device that registered. It outlives its group and counts against the instance's quota. */
export interface RegistrationRecord {
  readonly registrationId: string;
  readonly deviceId: string;
  /** The hub's host name; undefined unless assigned. */
  readonly assignedHub: string | undefined;
  /** `unassigned`, `assigning`, `assigned`, `failed` or `disabled`. */
  readonly status: string;
  readonly etag: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
}

/** Undefined where no device registered with that ID. */
export async function getRegistrationRecord(
  session: AzureSession,
  target: RegistrationTarget,
): Promise<RegistrationRecord | undefined> {
  checkTarget(target);
  const document = await getItem(session, request('read', target));
  return document === undefined ? undefined : readRegistration(document);
}

/** Records of all devices that registered through a group; none where the group does not exist. */
export async function listRegistrationRecords(
  session: AzureSession,
  { dpsName, enrollmentGroupId }: { readonly dpsName: string; readonly enrollmentGroupId: string },
): Promise<readonly RegistrationRecord[]> {
  checkName('dpsName', dpsName);
  checkName('enrollmentGroupId', enrollmentGroupId);
  const documents = await queryItems(session, {
    task: {
      doing: `list the devices of enrollment group '${enrollmentGroupId}' of DPS instance '${dpsName}'`,
      subject: 'registration',
    },
    dpsName,
    path: ['registrations', enrollmentGroupId, 'query'],
  });
  return documents.map(readRegistration);
}

/**
 * True when the record was there and is deleted, false when there was none.
 *
 * @throws {DpsAdminError} ERR_ETAG_STALE
 */
export async function deleteRegistrationRecord(
  session: AzureSession,
  target: RegistrationTarget & { readonly etag?: string },
): Promise<boolean> {
  checkTarget(target);
  return deleteItem(session, { ...request('delete', target), etag: target.etag });
}

function readRegistration(document: JsonRecord): RegistrationRecord {
  const registrationId = readText(document.registrationId) ?? '';
  return {
    registrationId,
    deviceId: readText(document.deviceId) ?? registrationId,
    assignedHub: readText(document.assignedHub),
    status: readText(document.status) ?? '',
    etag: readText(document.etag) ?? '',
    createdAt: readText(document.createdDateTimeUtc) ?? '',
    lastUpdatedAt: readText(document.lastUpdatedDateTimeUtc) ?? '',
  };
}

function checkTarget({ dpsName, registrationId }: RegistrationTarget): void {
  checkName('dpsName', dpsName);
  checkName('registrationId', registrationId);
}

function request(verb: string, { dpsName, registrationId }: RegistrationTarget): ItemRequest {
  return {
    task: {
      doing: `${verb} the registration record '${registrationId}' of DPS instance '${dpsName}'`,
      subject: 'registration',
    },
    dpsName,
    path: ['registrations', registrationId],
  };
}
