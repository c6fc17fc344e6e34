import { PkiError } from '../errors.ts';
import type { RevocationReason } from '../life/revocation.ts';
import { readTrail, type AuditEntry, type AuditMark } from './audit-trail.ts';
import { verifyTrail, type AuditVerification } from './audit-verification.ts';
import { UniqueViolation, type Database, type Queryable } from './database.ts';
import { findKeyOwners } from './device-key.ts';
import { findCertificates, findCurrent, readHistory, type CertificateFilter, type DeviceHistory } from './queries.ts';
import type { CertificateRecord, IdRange } from './record.ts';
import { StationClaims, type StationClaim } from './station-claims.ts';
import {
  writeChanges,
  writeCrl,
  writeRevocation,
  type InventoryChanges,
  type Responsible,
  type SigningLine,
} from './recording.ts';

/** What openInventory and openPostgresInventory take. */
export interface InventoryOptions {
  /** Default: now. */
  now?: () => Date;
  /** Whether a missing inventory is refused (ERR_PKI_INVENTORY_UNAVAILABLE) and not made; default false. */
  mustExist?: boolean;
}

/**
 * Who was issued what, when, from which line, on whose order, until when, and what became of it; with an audit trail that
 * is only ever appended to.
 *
 * What a method has written is on disk when it resolves, and none of it is there when it rejects. Every method may also
 * reject with ERR_PKI_INVENTORY_UNAVAILABLE: the database can't be reached, read or written.
 */
export interface Inventory {
  /**
   * Writes down what was signed, and what was delivered, in one transaction.
   *
   * No two stations can issue one registration ID, or one serial number: the second is refused. A later certificate for the
   * same device is an explicit act (`replaces`).
   *
   * @returns ids of the issued certificates, in their order; undefined: none were given
   * @throws {PkiError} ERR_PKI_ALREADY_ISSUED: the message names the device
   * @throws {PkiError} ERR_PKI_KEY_REUSED: a device's own key has been certified for another one
   */
  record(changes: InventoryChanges): Promise<IdRange | undefined>;
  /**
   * Marks a certificate as revoked. A revocation list tells others of it.
   *
   * @throws {PkiError} ERR_PKI_NOT_IN_INVENTORY, ERR_PKI_ALREADY_REVOKED
   */
  revoke(revocation: Responsible & { serialNumber: string; reason: RevocationReason }): Promise<void>;
  /** Takes the next number for a revocation list of a line, and enters it in the trail: from 1, never the same twice. */
  takeCrlNumber(crl: Responsible & SigningLine): Promise<number>;
  find(filter?: CertificateFilter): AsyncIterable<CertificateRecord>;
  /** The latest certificate of each of these devices; those that have none are left out. */
  findCurrent(registrationIds: readonly string[]): Promise<ReadonlyMap<string, CertificateRecord>>;
  /**
   * The devices for which these keys have been certified, of keys that devices made themselves (`isDeviceKey`).
   *
   * @param keyIdentifiers - lower-case hexadecimal
   * @returns registration IDs by key identifier; keys that are nobody's are left out
   */
  findKeyOwners(keyIdentifiers: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** @throws {PkiError} ERR_PKI_NOT_IN_INVENTORY */
  history(registrationId: string): Promise<DeviceHistory>;
  auditTrail(): AsyncIterable<AuditEntry>;
  /**
   * Checks the inventory as it is when the check begins; others may write meanwhile.
   *
   * @param marks - entries written down elsewhere at an earlier time, such as `head` of an earlier verification
   */
  verifyAudit(marks?: readonly AuditMark[]): Promise<AuditVerification>;
  /**
   * Makes sure that one program at a time issues under a station's name. Given back with `release` or `close`, and by the
   * operating system or the server when this process ends in whatever way.
   *
   * A PostgreSQL server gives it back too when it loses the connection, as in a restart. From then on this inventory writes
   * nothing more in the station's name: ERR_PKI_INVENTORY_UNAVAILABLE.
   *
   * @throws {PkiError} ERR_PKI_STATION_BUSY
   */
  claimStation(station: string): Promise<StationClaim>;
  close(): Promise<void>;
}

/** The inventory over one of the engines. */
export function createInventory(database: Database, { now = () => new Date() }: InventoryOptions): Inventory {
  const claims = new StationClaims(database);
  const write = async <T>(responsible: Responsible, work: (transaction: Queryable) => Promise<T>): Promise<T> => {
    checkResponsible(responsible);
    return claims.writerFor(responsible.station).transaction(work);
  };
  return {
    record: (changes) =>
      reach(async () => {
        try {
          return await write(changes, (transaction) =>
            writeChanges({ transaction, dialect: database.dialect }, changes, now()),
          );
        } catch (error) {
          throw error instanceof UniqueViolation ? await alreadyIssued(database, changes, error) : error;
        }
      }),
    revoke: (revocation) =>
      reach(() => write(revocation, (transaction) => writeRevocation(transaction, { ...revocation, at: now() }))),
    takeCrlNumber: (crl) => reach(() => write(crl, (transaction) => writeCrl(transaction, { ...crl, at: now() }))),
    find: (filter = {}) => reachEach(findCertificates(database, filter)),
    findCurrent: (registrationIds) => reach(() => findCurrent(database, registrationIds)),
    findKeyOwners: (keyIdentifiers) => reach(() => findKeyOwners(database, keyIdentifiers)),
    history: (registrationId) => reach(() => readHistory(database, registrationId)),
    auditTrail: () => reachEach(readTrail(database)),
    verifyAudit: (marks = []) => reach(() => database.snapshot((snapshot) => verifyTrail(snapshot, marks))),
    claimStation: (station) =>
      reach(async () => {
        checkText('station', station, 64);
        return claims.claim(station);
      }),
    close: async () => {
      await claims.release();
      await database.close();
    },
  };
}

async function alreadyIssued(database: Database, { issued }: InventoryChanges, cause: Error): Promise<PkiError> {
  const wanted = (issued?.certificates ?? []).filter(({ replaces }) => !replaces);
  const taken = await findCurrent(
    database,
    wanted.map(({ registrationId }) => registrationId),
  );
  const [first] = taken.values();
  return new PkiError(
    'ERR_PKI_ALREADY_ISSUED',
    first
      ? `${JSON.stringify(first.registrationId)} has a certificate already (issued ${first.issuedAt.toISOString()} by station ` +
          `${JSON.stringify(first.station)}, ${first.state}): renew it if it is to get another one. Nothing was written.`
      : 'A certificate or its serial number is in the inventory already, or two of these are for one device. Nothing was written.',
    { cause },
  );
}

/** @throws {TypeError} */
export function checkResponsible({ station, orderedBy }: Responsible): void {
  checkText('station', station, 64);
  checkText('orderedBy', orderedBy, 200);
}

function checkText(name: string, value: string, maxLength: number): void {
  if (typeof value !== 'string' || value.length < 1 || value.length > maxLength) {
    throw new TypeError(`${name} must be a string of 1 to ${maxLength} characters.`);
  }
}

async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

async function* reachEach<T>(rows: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* rows;
  } catch (error) {
    throw unavailable(error);
  }
}

/** Our own refusals stay as they are; the engine's become one of ours. */
export function unavailable(cause: unknown): unknown {
  if (cause instanceof PkiError || cause instanceof TypeError) return cause;
  return new PkiError(
    'ERR_PKI_INVENTORY_UNAVAILABLE',
    `The inventory can't be used (${String((cause as { message?: unknown }).message)}): check that its folder or server is there, can be written and has room.`,
    { cause },
  );
}
