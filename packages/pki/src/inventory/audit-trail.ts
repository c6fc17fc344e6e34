import { createHash } from 'node:crypto';
import type { Queryable } from './database.ts';
import { toHex, type CertificateState, type Octets } from './record.ts';

/** What an entry of the audit trail tells of; `crl`: a revocation list was signed. */
export type AuditAction = CertificateState | 'crl';

/** One entry of the audit trail. */
export interface AuditEntry {
  /** From 1, without a gap. */
  sequence: number;
  at: Date;
  action: AuditAction;
  /** The certificates that it concerns, by their id; undefined for a revocation list. */
  firstId: number | undefined;
  lastId: number | undefined;
  /** The authority that signed; for `issued` and `crl`. */
  line: string | undefined;
  /** Of that authority's key; lower-case hexadecimal. */
  lineKeyIdentifier: string | undefined;
  station: string;
  orderedBy: string;
  /** Why, for `revoked`; the number, for `crl`. */
  detail: string | undefined;
  /** SHA-256 over the rows of the certificates, for `issued`; lower-case hexadecimal. */
  digest: string | undefined;
  /** SHA-256 over the entry and the hash of the one before it; lower-case hexadecimal. */
  hash: string;
}

/** One entry's place and hash: written down elsewhere, it proves later that the trail up to it is the same. */
export type AuditMark = Pick<AuditEntry, 'sequence' | 'hash'>;

export interface AuditRow {
  sequence: number;
  at: number;
  action: AuditAction;
  first_id: number | null;
  last_id: number | null;
  line: string | null;
  line_key_identifier: string | null;
  station: string;
  ordered_by: string;
  detail: string | null;
  digest: Octets | null;
  hash: Octets;
}

/** Where the trail begins. */
export const origin: AuditMark = { sequence: 0, hash: '00'.repeat(32) };

export function toEntry(row: AuditRow): AuditEntry {
  return {
    sequence: row.sequence,
    at: new Date(row.at),
    action: row.action,
    firstId: row.first_id ?? undefined,
    lastId: row.last_id ?? undefined,
    line: row.line ?? undefined,
    lineKeyIdentifier: row.line_key_identifier ?? undefined,
    station: row.station,
    orderedBy: row.ordered_by,
    detail: row.detail ?? undefined,
    digest: row.digest ? toHex(row.digest) : undefined,
    hash: toHex(row.hash),
  };
}

/** What the hash of an entry has to be. JSON keeps the fields apart, whatever is in them. */
export function hashEntry(entry: Omit<AuditEntry, 'hash'>, previousHash: string): string {
  const { sequence, at, action, firstId, lastId, line, lineKeyIdentifier, station, orderedBy, detail, digest } = entry;
  const what = [sequence, at.getTime(), action, firstId, lastId, line, lineKeyIdentifier];
  const fields = [previousHash, ...what, station, orderedBy, detail, digest].map((field) => field ?? null);
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}

export async function readHead(queries: Queryable): Promise<AuditMark> {
  const [row] = await queries.query<Pick<AuditRow, 'sequence' | 'hash'>>(
    'SELECT sequence, hash FROM audit_entry ORDER BY sequence DESC LIMIT 1',
  );
  return row ? { sequence: row.sequence, hash: toHex(row.hash) } : origin;
}

/** Appends one entry behind `head`, inside a transaction that has read `head` itself. */
export async function appendEntry(
  transaction: Queryable,
  head: AuditMark,
  content: Omit<AuditEntry, 'sequence' | 'hash'>,
): Promise<AuditMark> {
  const entry = { sequence: head.sequence + 1, ...content };
  const hash = hashEntry(entry, head.hash);
  await transaction.run('INSERT INTO audit_entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)', [
    entry.sequence,
    entry.at.getTime(),
    entry.action,
    entry.firstId ?? null,
    entry.lastId ?? null,
    entry.line ?? null,
    entry.lineKeyIdentifier ?? null,
    entry.station,
    entry.orderedBy,
    entry.detail ?? null,
    entry.digest === undefined ? null : Buffer.from(entry.digest, 'hex'),
    Buffer.from(hash, 'hex'),
  ]);
  return { sequence: entry.sequence, hash };
}

const pageSize = 1000;

/** Every entry, in its order. */
export async function* readTrail(queries: Queryable): AsyncGenerator<AuditEntry> {
  for (let after = 0; ;) {
    const rows = await queries.query<AuditRow>(
      'SELECT * FROM audit_entry WHERE sequence > ?1 ORDER BY sequence LIMIT ?2',
      [after, pageSize],
    );
    yield* rows.map(toEntry);
    const last = rows.at(-1);
    if (!last) return;
    after = last.sequence;
  }
}
