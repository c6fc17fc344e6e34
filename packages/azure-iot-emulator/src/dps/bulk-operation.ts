import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { DpsError } from './dps-error.ts';
import type { Enrollment } from './enrollment.ts';
import type { EnrollmentStore } from './enrollment-store.ts';
import { optionalChoice, optionalString } from './request-field.ts';

/** DPS documents, service API: ten items at most. */
const MAX_ITEMS = 10;
const MODES = ['create', 'update', 'updateIfMatchETag', 'delete'] as const;

/**
 * POST /enrollments or /enrollmentGroups: one change of each item, each by itself.
 *
 * @throws {DpsError} invalidArgument, repeatedId: the request itself is wrong; what is wrong with an item is in the result
 */
export function runBulkOperation(store: EnrollmentStore, kind: Enrollment['kind'], body: unknown): JsonObject {
  const collection = kind === 'group' ? 'enrollmentGroups' : 'enrollments';
  const request = isJsonObject(body) ? body : {};
  const mode = optionalChoice(request['mode'], 'mode', MODES);
  const items = request[collection];
  if (mode === undefined) throw new DpsError('invalidArgument', `Invalid 'mode': expected one of ${MODES.join(', ')}.`);
  if (!Array.isArray(items) || items.length === 0 || items.length > MAX_ITEMS) {
    throw new DpsError('invalidArgument', `Invalid '${collection}': expected an array of 1 to ${MAX_ITEMS} items.`);
  }
  requireUniqueIds(kind, items);
  const errors = items.flatMap((item: unknown) => itemErrors(store, { kind, mode, item }));
  return { isSuccessful: errors.length === 0, errors };
}

function requireUniqueIds(kind: Enrollment['kind'], items: readonly unknown[]): void {
  const ids = items.map((item) => idOf(kind, item).toLowerCase());
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw new DpsError('repeatedId', `'${repeated}' is there more than once.`);
}

function idOf(kind: Enrollment['kind'], item: unknown): string {
  const field = kind === 'group' ? 'enrollmentGroupId' : 'registrationId';
  return (isJsonObject(item) && optionalString(item[field], field)) || '';
}

interface BulkItem {
  readonly kind: Enrollment['kind'];
  readonly mode: (typeof MODES)[number];
  readonly item: unknown;
}

function itemErrors(store: EnrollmentStore, { kind, mode, item }: BulkItem): JsonObject[] {
  const idField = kind === 'group' ? 'enrollmentGroupId' : 'registrationId';
  const enrollment = isJsonObject(item) ? item : {};
  const id = idOf(kind, item);
  const etag = mode === 'updateIfMatchETag' ? (optionalString(enrollment['etag'], 'etag') ?? '') : '*';
  try {
    if (mode === 'delete') store.delete(kind, id, undefined);
    else store.put(kind, id, enrollment, mode === 'create' ? undefined : etag);
    return [];
  } catch (error) {
    if (!(error instanceof DpsError)) throw error;
    return [{ [idField]: id, errorCode: error.code, errorStatus: error.message }];
  }
}
