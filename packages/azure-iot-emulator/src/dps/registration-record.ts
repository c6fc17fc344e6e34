import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import { formatTime } from '../hub/dotnet-time.ts';
import { DpsError } from './dps-error.ts';
import { requireMatch } from './enrollment-store.ts';
import { createEtag } from './etag.ts';
import type { JsonObject } from '../hub/json.ts';
import { registrationKey } from './registration-id.ts';

/** What became of a device's last registration, beyond `assigned` or `failed`. */
export type RegistrationSubstatus =
  'initialAssignment' | 'deviceDataMigrated' | 'deviceDataReset' | 'reprovisionedToInitialAssignment';

/** What DPS keeps of a device that registered. */
export interface RegistrationRecord {
  readonly registrationId: string;
  readonly status: 'assigned' | 'failed' | 'disabled';
  /** Host name of the hub, with the port where the emulator's has one; after a failure, of the hub before it. */
  readonly assignedHub?: string;
  readonly deviceId?: string;
  readonly substatus?: RegistrationSubstatus;
  readonly errorCode?: number;
  readonly errorMessage?: string;
  /** What an allocation webhook has for the device; JSON. */
  readonly payload?: unknown;
  /** Absent for a device with an individual enrollment. */
  readonly enrollmentGroupId?: string;
  readonly attestationType: 'x509' | 'symmetricKey';
  readonly etag: string;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** The registration records of one DPS instance. */
export class RegistrationStore {
  readonly #records: StoredMap<RegistrationRecord>;
  readonly #now: () => number;

  constructor(now: () => number, shelf: Shelf = looseShelf()) {
    this.#records = shelf.map('registrations');
    this.#now = now;
  }

  find(registrationId: string): RegistrationRecord | undefined {
    return this.#records.get(registrationKey(registrationId));
  }

  /** @throws {DpsError} registrationNotFound */
  get(registrationId: string): RegistrationRecord {
    const found = this.find(registrationId);
    if (found === undefined) throw new DpsError('registrationNotFound', `Registration '${registrationId}' not found.`);
    return found;
  }

  list(): readonly RegistrationRecord[] {
    return [...this.#records.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
  }

  /** @throws {DpsError} tooManyEnrollments: there are `limit` records, and none is this device's */
  requireRoom(registrationId: string, limit: number): void {
    if (this.#records.size < limit || this.find(registrationId) !== undefined) return;
    throw new DpsError('tooManyEnrollments', `There are ${limit} registrations, which is the quota.`);
  }

  put(record: Omit<RegistrationRecord, 'etag' | 'createdMs' | 'updatedMs'>): RegistrationRecord {
    const now = this.#now();
    const stored = this.find(record.registrationId);
    const written = { ...record, etag: createEtag(now, '3300'), createdMs: stored?.createdMs ?? now, updatedMs: now };
    this.#records.set(registrationKey(record.registrationId), written);
    return written;
  }

  /** @throws {DpsError} registrationNotFound, preconditionFailed */
  delete(registrationId: string, ifMatch?: string): void {
    const record = this.get(registrationId);
    if (ifMatch !== undefined) requireMatch(record, ifMatch);
    this.#records.delete(registrationKey(registrationId));
  }
}

/** The record as DPS's service plane shows it. */
export function registrationJson(record: RegistrationRecord): JsonObject {
  const { assignedHub, deviceId, substatus, errorCode, errorMessage, payload } = record;
  const isAssigned = record.status === 'assigned';
  return {
    registrationId: record.registrationId,
    createdDateTimeUtc: formatTime(record.createdMs),
    ...(isAssigned && assignedHub !== undefined && { assignedHub }),
    ...(isAssigned && deviceId !== undefined && { deviceId }),
    status: record.status,
    ...(substatus !== undefined && { substatus }),
    ...(errorCode !== undefined && { errorCode }),
    ...(errorMessage !== undefined && { errorMessage }),
    lastUpdatedDateTimeUtc: formatTime(record.updatedMs),
    etag: record.etag,
    ...(payload !== undefined && { payload: payload as JsonObject }),
  };
}

/** The record as the device is told it: with what it was attested by. */
export function deviceRegistrationJson(record: RegistrationRecord): JsonObject {
  const attested = record.enrollmentGroupId === undefined ? {} : { enrollmentGroupId: record.enrollmentGroupId };
  return { [record.attestationType]: attested, ...registrationJson(record) };
}
