import { createHash } from 'node:crypto';
import { appendEntry, readHead, type AuditEntry, type AuditMark } from './audit-trail.ts';
import { PkiError } from '../errors.ts';
import type { RevocationReason } from '../life/revocation.ts';
import type { Database, Queryable } from './database.ts';
import { claimKeys } from './device-key.ts';
import { notInInventory } from './queries.ts';
import { toRanges, type CertificateState, type IdRange, type NewCertificate } from './record.ts';

/** Who does something, and on whose order. */
export interface Responsible {
  /** The machine that it is done on; 1 to 64 characters. */
  station: string;
  /** Purchase order, ticket or person; 1 to 200 characters. */
  orderedBy: string;
}

/** The authority that signs. */
export interface SigningLine {
  /** Its name. */
  line: string;
  /** Of its key, hexadecimal: two lines may have one name, before and after a roll-over. */
  lineKeyIdentifier: string;
}

/** What is written in one transaction: all of it or nothing. */
export interface InventoryChanges extends Responsible {
  /** Certificates that have just been signed, before anybody gets them. */
  issued?: SigningLine & {
    certificates: readonly NewCertificate[];
  };
  /**
   * Certificates that their receiver has now; what their devices had in use before is `renewed` then. One that is no longer
   * `issued`, revoked meanwhile, keeps its state.
   */
  delivered?: readonly IdRange[];
}

/** The trail while one transaction writes to it. */
interface Writing {
  transaction: Queryable;
  head: AuditMark;
  at: Date;
  responsible: Responsible;
}

/** @returns ids of the certificates that were issued; undefined: there were none */
export async function writeChanges(
  { transaction, dialect }: { transaction: Queryable; dialect: Database['dialect'] },
  changes: InventoryChanges,
  at: Date,
): Promise<IdRange | undefined> {
  const { station, orderedBy, issued, delivered = [] } = changes;
  const writing: Writing = { transaction, head: await readHead(transaction), at, responsible: { station, orderedBy } };
  for (const range of delivered) await deliver(writing, range);
  if (!issued || issued.certificates.length === 0) return undefined;
  await supersede(writing, issued.certificates);
  await claimKeys(transaction, dialect, issued.certificates);
  return issue(writing, issued, dialect.insertCertificates);
}

/**
 * @throws {PkiError} ERR_PKI_NOT_IN_INVENTORY, ERR_PKI_ALREADY_REVOKED
 */
export async function writeRevocation(
  transaction: Queryable,
  revocation: Responsible & { serialNumber: string; reason: RevocationReason; at: Date },
): Promise<void> {
  const { serialNumber, reason, at, station, orderedBy } = revocation;
  const [found] = await transaction.query<IdAndState>('SELECT id, state FROM certificate WHERE serial_number = ?1', [
    Buffer.from(serialNumber, 'hex'),
  ]);
  if (!found) throw notInInventory(serialNumber);
  if (found.state === 'revoked') {
    throw new PkiError(
      'ERR_PKI_ALREADY_REVOKED',
      `Certificate ${serialNumber} is revoked already: its reason and date stay as they are. Its history tells who did it.`,
    );
  }
  const writing: Writing = { transaction, head: await readHead(transaction), at, responsible: { station, orderedBy } };
  await change(writing, { state: 'revoked', range: { first: found.id, last: found.id }, detail: reason });
}

/** A revocation list takes its number with it: the next one is higher, whichever station signs it. */
export async function writeCrl(transaction: Queryable, crl: Responsible & SigningLine & { at: Date }): Promise<number> {
  const { line, at, station, orderedBy } = crl;
  const lineKeyIdentifier = crl.lineKeyIdentifier.toLowerCase();
  const [row] = await transaction.query<{ signed: number }>(
    "SELECT count(*) AS signed FROM audit_entry WHERE action = 'crl' AND line_key_identifier = ?1",
    [lineKeyIdentifier],
  );
  const number = (row?.signed ?? 0) + 1;
  const writing: Writing = { transaction, head: await readHead(transaction), at, responsible: { station, orderedBy } };
  await append(writing, {
    action: 'crl',
    firstId: undefined,
    lastId: undefined,
    line,
    lineKeyIdentifier,
    detail: String(number),
  });
  return number;
}

interface IdAndState {
  id: number;
  state: CertificateState;
}

async function deliver(writing: Writing, range: IdRange): Promise<void> {
  const rows = await readStates(writing, range);
  const undelivered = rows.filter(({ state }) => state === 'issued').map(({ id }) => id);
  for (const part of toRanges(undelivered)) {
    await change(writing, { state: 'delivered', range: part });
    await renew(writing, part);
  }
}

/** What these devices had in use until now. */
async function renew(writing: Writing, { first, last }: IdRange): Promise<void> {
  const rows = await writing.transaction.query<{ id: number }>(
    `SELECT o.id FROM certificate c
     JOIN certificate o ON o.registration_id = c.registration_id AND o.generation < c.generation AND o.state = 'delivered'
     WHERE c.id BETWEEN ?1 AND ?2 AND c.generation > 1`,
    [first, last],
  );
  for (const range of toRanges(rows.map(({ id }) => id))) await change(writing, { state: 'renewed', range });
}

/** Of what the new certificates take the place of, that is abandoned which never left. */
async function supersede(writing: Writing, certificates: readonly NewCertificate[]): Promise<void> {
  const replaced = new Set(certificates.flatMap(({ replaces }) => replaces?.id ?? []));
  const abandoned: number[] = [];
  for (const range of toRanges(replaced)) {
    for (const { id, state } of await readStates(writing, range)) if (state === 'issued') abandoned.push(id);
  }
  for (const range of toRanges(abandoned)) await change(writing, { state: 'abandoned', range });
}

function readStates({ transaction }: Writing, { first, last }: IdRange): Promise<IdAndState[]> {
  return transaction.query('SELECT id, state FROM certificate WHERE id BETWEEN ?1 AND ?2', [first, last]);
}

async function change(
  writing: Writing,
  { state, range, detail }: { state: CertificateState; range: IdRange; detail?: string },
): Promise<void> {
  const { first, last } = range;
  await append(writing, { action: state, firstId: first, lastId: last, detail });
  await writing.transaction.run('UPDATE certificate SET state = ?1, changed_in = ?2 WHERE id BETWEEN ?3 AND ?4', [
    state,
    writing.head.sequence,
    first,
    last,
  ]);
}

async function issue(
  writing: Writing,
  { line, lineKeyIdentifier, certificates }: NonNullable<InventoryChanges['issued']>,
  insertCertificates: string,
): Promise<IdRange> {
  const [row] = await writing.transaction.query<{ last: number | null }>('SELECT max(id) AS last FROM certificate');
  const before = row?.last ?? 0;
  const range = { first: before + 1, last: before + certificates.length };
  const rows = certificates.map(toFields);
  await append(writing, {
    action: 'issued',
    firstId: range.first,
    lastId: range.last,
    line,
    lineKeyIdentifier: lineKeyIdentifier.toLowerCase(),
    digest: digestOf(rows, range.first),
  });
  await writing.transaction.run(insertCertificates, [JSON.stringify(rows), before, writing.head.sequence]);
  return range;
}

async function append(
  writing: Writing,
  content: Pick<AuditEntry, 'action' | 'firstId' | 'lastId'> &
    Partial<Pick<AuditEntry, 'line' | 'lineKeyIdentifier' | 'detail' | 'digest'>>,
): Promise<void> {
  const { at, responsible } = writing;
  writing.head = await appendEntry(writing.transaction, writing.head, {
    line: undefined,
    lineKeyIdentifier: undefined,
    detail: undefined,
    digest: undefined,
    ...content,
    ...responsible,
    at,
  });
}

/** What never changes of a certificate's row, without its id; octets in lower-case hexadecimal. */
export type FixedFields = readonly [
  registrationId: string,
  generation: number,
  serialNumber: string,
  keyIdentifier: string,
  thumbprintSha1: string,
  thumbprintSha256: string,
  notBefore: number,
  notAfter: number,
];

function toFields(certificate: NewCertificate): FixedFields {
  return [
    certificate.registrationId,
    (certificate.replaces?.generation ?? 0) + 1,
    certificate.serialNumber.toLowerCase(),
    certificate.keyIdentifier.toLowerCase(),
    certificate.thumbprintSha1.toLowerCase(),
    certificate.thumbprintSha256.toLowerCase(),
    certificate.notBefore.getTime(),
    certificate.notAfter.getTime(),
  ];
}

/** SHA-256 over the certificates of one `issued` entry, which have neighbouring ids. */
export function digestOf(rows: readonly FixedFields[], firstId: number): string {
  const hash = createHash('sha256');
  const lines = rows.map((fields, index) => `${firstId + index},${fields.join()}\n`);
  return hash.update(lines.join('')).digest('hex');
}
