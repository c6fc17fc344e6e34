import { hashEntry, origin, readTrail, type AuditAction, type AuditEntry, type AuditMark } from './audit-trail.ts';
import type { Queryable } from './database.ts';
import { toHex, type CertificateRow } from './record.ts';
import { digestOf, type FixedFields } from './recording.ts';

/** What can be wrong with an inventory that somebody has laid hands on. */
export type AuditProblemCode =
  | 'AUDIT_ENTRY_MISSING'
  | 'AUDIT_ENTRY_ALTERED'
  | 'AUDIT_MARK_DIFFERENT'
  | 'CERTIFICATE_MISSING'
  | 'CERTIFICATE_ALTERED'
  | 'CERTIFICATE_UNRECORDED'
  | 'CERTIFICATE_STATE_ALTERED';

/** One thing that is wrong. */
export interface AuditProblem {
  code: AuditProblemCode;
  /** A sentence that names the entry or the certificates. */
  message: string;
}

/** What verifyAudit found. */
export interface AuditVerification {
  isIntact: boolean;
  /** The first hundred, in the order of the trail. */
  problems: AuditProblem[];
  entries: number;
  certificates: number;
  /** Where the trail ends: write it down elsewhere, and give it as a mark the next time. */
  head: AuditMark;
}

const maxProblems = 100;
const pageSize = 1000;

/**
 * Computes every hash again and compares every certificate with what the trail says of it, in bounded memory (4 bytes a
 * certificate and one page).
 *
 * Found are entries and certificates that were altered, deleted, added or put in another order by whoever can write to the
 * database. Who can also compute all hashes anew, or cuts off the end of the trail, is found by `marks` only.
 */
export async function verifyTrail(queries: Queryable, marks: readonly AuditMark[]): Promise<AuditVerification> {
  const problems: AuditProblem[] = [];
  const report = (code: AuditProblemCode, message: string): void => {
    if (problems.length < maxProblems) problems.push({ code, message });
  };
  const { entries, head, lastEntryOf } = await walkTrail(queries, marks, report);
  const certificates = await walkCertificates(queries, lastEntryOf, report);
  return { isIntact: problems.length === 0, problems, entries, certificates, head };
}

type Report = (code: AuditProblemCode, message: string) => void;

async function walkTrail(
  queries: Queryable,
  marks: readonly AuditMark[],
  report: Report,
): Promise<{ entries: number; head: AuditMark; lastEntryOf: LastEntries }> {
  const unseen = new Map(marks.map(({ sequence, hash }) => [sequence, hash.toLowerCase()]));
  const lastEntryOf = new LastEntries();
  let head = origin;
  let entries = 0;
  for await (const entry of readTrail(queries)) {
    entries += 1;
    if (entry.sequence !== head.sequence + 1) {
      report('AUDIT_ENTRY_MISSING', `Entries ${head.sequence + 1} to ${entry.sequence - 1} of the trail are gone.`);
    }
    if (hashEntry(entry, head.hash) !== entry.hash) {
      report(
        'AUDIT_ENTRY_ALTERED',
        `Entry ${entry.sequence} of the trail (${entry.action}) is not what was written, or does not follow the one before it.`,
      );
    }
    if (unseen.get(entry.sequence) === entry.hash) unseen.delete(entry.sequence);
    lastEntryOf.set(entry);
    head = { sequence: entry.sequence, hash: entry.hash };
  }
  for (const sequence of unseen.keys()) {
    report('AUDIT_MARK_DIFFERENT', `Entry ${sequence} of the trail is gone or is another one than the mark says.`);
  }
  return { entries, head, lastEntryOf };
}

/** Which entry spoke last of each certificate. */
class LastEntries {
  #sequences = new Uint32Array(1024);

  set({ sequence, firstId, lastId }: AuditEntry): void {
    if (firstId === undefined || lastId === undefined || lastId < firstId) return;
    if (lastId >= this.#sequences.length) {
      const larger = new Uint32Array(Math.max(lastId + 1, this.#sequences.length * 2));
      larger.set(this.#sequences);
      this.#sequences = larger;
    }
    this.#sequences.fill(sequence, firstId, lastId + 1);
  }

  get(id: number): number {
    return this.#sequences[id] ?? 0;
  }
}

interface CheckedRow extends CertificateRow {
  issued_in: number;
  changed_in: number;
  /** Of the entry `changed_in`. */
  action: AuditAction | null;
}

async function walkCertificates(queries: Queryable, lastEntryOf: LastEntries, report: Report): Promise<number> {
  const certificates = readCertificates(queries);
  let next = await certificates.next();
  let count = 0;
  for await (const entry of readTrail(queries)) {
    const { action, firstId = 0, lastId = 0 } = entry;
    if (action !== 'issued') continue;
    const rows: CheckedRow[] = [];
    for (; !next.done && next.value.id <= lastId; next = await certificates.next()) {
      count += 1;
      checkState(next.value, lastEntryOf, report);
      if (next.value.id >= firstId) rows.push(next.value);
      else unrecorded(next.value, report);
    }
    checkIssue(entry, rows, report);
  }
  for (; !next.done; next = await certificates.next()) {
    count += 1;
    unrecorded(next.value, report);
  }
  return count;
}

async function* readCertificates(queries: Queryable): AsyncGenerator<CheckedRow, undefined> {
  for (let after = 0; ;) {
    const rows = await queries.query<CheckedRow>(
      `SELECT c.*, e.action FROM certificate c LEFT JOIN audit_entry e ON e.sequence = c.changed_in
       WHERE c.id > ?1 ORDER BY c.id LIMIT ?2`,
      [after, pageSize],
    );
    yield* rows;
    const last = rows.at(-1);
    if (!last) return undefined;
    after = last.id;
  }
}

function checkIssue(
  { sequence, firstId = 0, lastId = 0, digest }: AuditEntry,
  rows: CheckedRow[],
  report: Report,
): void {
  const written = lastId - firstId + 1;
  const which = `certificates ${firstId} to ${lastId}, issued with entry ${sequence}`;
  if (rows.length < written) {
    report('CERTIFICATE_MISSING', `Of ${which}, ${written - rows.length} are gone.`);
  } else if (digestOf(rows.map(toFixedFields), firstId) !== digest || rows.some((row) => row.issued_in !== sequence)) {
    report('CERTIFICATE_ALTERED', `Of ${which}, at least one is not what was written.`);
  }
}

function checkState(row: CheckedRow, lastEntryOf: LastEntries, report: Report): void {
  if (row.changed_in === lastEntryOf.get(row.id) && row.state === row.action) return;
  report(
    'CERTIFICATE_STATE_ALTERED',
    `Certificate ${row.id} (${row.registration_id}) is ${row.state}, which is not what the trail says last of it.`,
  );
}

function unrecorded(row: CheckedRow, report: Report): void {
  report(
    'CERTIFICATE_UNRECORDED',
    `Certificate ${row.id} (${row.registration_id}) was never issued by the trail's word.`,
  );
}

function toFixedFields(row: CheckedRow): FixedFields {
  return [
    row.registration_id,
    row.generation,
    toHex(row.serial_number),
    toHex(row.key_identifier),
    toHex(row.thumbprint_sha1),
    toHex(row.thumbprint_sha256),
    row.not_before,
    row.not_after,
  ];
}
