import { PkiError } from '../errors.ts';
import type { AuditAction, AuditRow } from './audit-trail.ts';
import type { Database, Queryable, SqlValue } from './database.ts';
import {
  toHex,
  toRecord,
  type CertificateRecord,
  type CertificateRow,
  type CertificateState,
  type Octets,
} from './record.ts';

/** Which certificates; all of what is given has to be so. Nothing given: every certificate. */
export interface CertificateFilter {
  registrationId?: string;
  /** Hexadecimal. */
  serialNumber?: string;
  /** SHA-1 or SHA-256, hexadecimal, with or without colons or spaces: as a portal shows it. Reads the whole inventory. */
  thumbprint?: string;
  line?: string;
  /** Hexadecimal. */
  lineKeyIdentifier?: string;
  station?: string;
  orderedBy?: string;
  /** Any of these. */
  states?: readonly CertificateState[];
  /** Ends at this moment or later. */
  endsFrom?: Date;
  /** Ends before this moment. With it the answer is in the order of the ends, without it in that of issue. */
  endsBefore?: Date;
}

/** One event in the life of a device's certificates. */
export interface DeviceEvent {
  at: Date;
  action: AuditAction;
  serialNumber: string;
  station: string;
  orderedBy: string;
  /** Why, for `revoked`. */
  detail: string | undefined;
}

/** Everything that the inventory knows of one device. */
export interface DeviceHistory {
  /** The first one first. */
  certificates: CertificateRecord[];
  /** In the order in which they happened. */
  events: DeviceEvent[];
}

const pageSize = 1000;

const selectRecords = `
  SELECT c.id, c.registration_id, c.generation, c.serial_number, c.key_identifier, c.thumbprint_sha1,
    c.thumbprint_sha256, c.not_before, c.not_after, c.state, i.at AS issued_at, i.line, i.line_key_identifier, i.station, i.ordered_by,
    x.at AS changed_at, x.detail AS reason,
    (SELECT n.serial_number FROM certificate n
      WHERE n.registration_id = c.registration_id AND n.generation > c.generation AND n.state <> 'abandoned'
      ORDER BY n.generation LIMIT 1) AS renewed_by
  FROM certificate c
  JOIN audit_entry i ON i.sequence = c.issued_in
  JOIN audit_entry x ON x.sequence = c.changed_in`;

/** Reads a page at a time, so that a million records need no more memory than a thousand. */
export async function* findCertificates(
  queries: Queryable,
  filter: CertificateFilter,
): AsyncGenerator<CertificateRecord> {
  const { clauses, parameters } = toSql(filter);
  const byEnd = filter.endsBefore !== undefined;
  const [id, end, limit] = [1, 2, 3].map((place) => `?${parameters.length + place}`) as [string, string, string];
  clauses.push(byEnd ? `(c.not_after, c.id) > (${end}, ${id})` : `c.id > ${id}`);
  const order = byEnd ? 'c.not_after, c.id' : 'c.id';
  // Without an order by end its parameter has no place in the text, and PostgreSQL wants one for each.
  const sql = `${selectRecords} WHERE ${clauses.join(' AND ')} ORDER BY ${order} LIMIT ${byEnd ? limit : end}`;
  let after: { id: number; end: number } = { id: 0, end: Number.MIN_SAFE_INTEGER };
  for (;;) {
    const place = byEnd ? [after.id, after.end, pageSize] : [after.id, pageSize];
    const rows = await queries.query<CertificateRow>(sql, [...parameters, ...place]);
    yield* rows.map(toRecord);
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    after = { id: last.id, end: last.not_after };
  }
}

/** The latest certificate of each device that has one. */
export async function findCurrent(
  database: Pick<Database, 'query' | 'dialect'>,
  registrationIds: readonly string[],
): Promise<Map<string, CertificateRecord>> {
  const known = `SELECT w.value FROM (${database.dialect.textRows}) w
    WHERE EXISTS (SELECT 1 FROM certificate c WHERE c.registration_id = w.value)`;
  const found = await database.query<{ value: string }>(known, [JSON.stringify(registrationIds)]);
  const current = new Map<string, CertificateRecord>();
  if (found.length === 0) return current;
  const rows = await database.query<CertificateRow>(
    `${selectRecords} JOIN (${database.dialect.textRows}) w ON c.registration_id = w.value ORDER BY c.generation`,
    [JSON.stringify(found.map(({ value }) => value))],
  );
  for (const row of rows) current.set(row.registration_id, toRecord(row));
  return current;
}

/** @throws {PkiError} ERR_PKI_NOT_IN_INVENTORY */
export async function readHistory(queries: Queryable, registrationId: string): Promise<DeviceHistory> {
  const certificates: CertificateRecord[] = [];
  for await (const record of findCertificates(queries, { registrationId })) certificates.push(record);
  if (certificates.length === 0) throw notInInventory(registrationId);
  const rows = await queries.query<AuditRow & { serial_number: Octets }>(
    `SELECT e.*, c.serial_number FROM certificate c JOIN audit_entry e ON e.first_id <= c.id AND e.last_id >= c.id
     WHERE c.registration_id = ?1 ORDER BY e.sequence, c.id`,
    [registrationId],
  );
  const events = rows.map(({ at, action, serial_number, station, ordered_by, detail }) => ({
    at: new Date(at),
    action,
    serialNumber: toHex(serial_number),
    station,
    orderedBy: ordered_by,
    detail: detail ?? undefined,
  }));
  return { certificates, events };
}

export function notInInventory(what: string): PkiError {
  return new PkiError(
    'ERR_PKI_NOT_IN_INVENTORY',
    `The inventory knows nothing of ${JSON.stringify(what)}: check it, and that this is the right inventory.`,
  );
}

function toSql(filter: CertificateFilter): { clauses: string[]; parameters: SqlValue[] } {
  const clauses: string[] = [];
  const parameters: SqlValue[] = [];
  const add = (condition: string, value: SqlValue | undefined): void => {
    if (value === undefined) return;
    parameters.push(value);
    clauses.push(condition.replace('?', `?${parameters.length}`));
  };
  const octets = (hex: string | undefined): Uint8Array | undefined =>
    hex === undefined ? undefined : Buffer.from(hex.replace(/[\s:]/g, ''), 'hex');
  const thumbprint = octets(filter.thumbprint);
  add('c.registration_id = ?', filter.registrationId);
  add('c.serial_number = ?', octets(filter.serialNumber));
  add(`c.thumbprint_${thumbprint?.length === 20 ? 'sha1' : 'sha256'} = ?`, thumbprint);
  add('i.line = ?', filter.line);
  add('i.line_key_identifier = ?', filter.lineKeyIdentifier?.toLowerCase());
  add('i.station = ?', filter.station);
  add('i.ordered_by = ?', filter.orderedBy);
  add('c.not_after >= ?', filter.endsFrom?.getTime());
  add('c.not_after < ?', filter.endsBefore?.getTime());
  // Literals, not parameters: the engines then see that an index on one state serves.
  if (filter.states) clauses.push(`c.state IN (${filter.states.map(quoteState).join(', ') || 'NULL'})`);
  return { clauses, parameters };
}

const states: readonly string[] = [
  'issued',
  'delivered',
  'abandoned',
  'renewed',
  'revoked',
] satisfies CertificateState[];

function quoteState(state: CertificateState): string {
  if (!states.includes(state)) throw new TypeError(`states must be any of ${states.join(', ')}.`);
  return `'${state}'`;
}
