import type { Statement } from '../state/folder-database.ts';
import type { StateStore } from '../state/state-store.ts';
import { priorities, type PreparedMessage, type StoredMessage, type TelemetryPriority } from './telemetry-message.ts';

/** What is known of a waiting message without reading it. */
export interface OutboxEntry {
  readonly sequence: number;
  readonly messageId: string;
  readonly priority: TelemetryPriority;
  readonly size: number;
  readonly addedMs: number;
}

/** Messages of one priority on disk. */
export interface OutboxPart {
  readonly priority: TelemetryPriority;
  readonly count: number;
  readonly bytes: number;
  readonly lastSequence: number;
  /** When the one that came last was added. */
  readonly newestMs: number;
}

const entryColumns = 'sequence, message_id, priority, size, added_ms';

/** One device's rows of the outbox table. */
export class OutboxTable {
  readonly #device: number;
  readonly #totals: Statement;
  readonly #insert: Statement;
  readonly #entries: Statement;
  readonly #entriesOf: Statement;
  readonly #messages: Statement;
  readonly #remove: Statement;
  readonly #removeThrough: Statement;

  constructor({ database, device }: StateStore) {
    this.#device = device;
    this.#totals = database.prepare(
      'SELECT priority, count(*) AS count, sum(size) AS bytes, max(sequence) AS last, max(added_ms) AS newest FROM outbox WHERE device = ? GROUP BY priority',
    );
    this.#insert = database.prepare('INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#entries = database.prepare(
      `SELECT ${entryColumns} FROM outbox WHERE device = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
    );
    this.#entriesOf = database.prepare(
      `SELECT ${entryColumns} FROM outbox WHERE device = ? AND sequence > ? AND priority = ? ORDER BY sequence LIMIT ?`,
    );
    this.#messages = database.prepare(
      'SELECT * FROM outbox WHERE device = ? AND sequence > ? AND sequence <= ? ORDER BY sequence',
    );
    this.#remove = database.prepare('DELETE FROM outbox WHERE device = ? AND sequence = ?');
    this.#removeThrough = database.prepare('DELETE FROM outbox WHERE device = ? AND sequence <= ?');
  }

  totals(): OutboxPart[] {
    return (this.#totals.all(this.#device) as TotalsRow[]).map(({ priority, count, bytes, last, newest }) => ({
      priority: toPriority(priority),
      count,
      bytes,
      lastSequence: last,
      newestMs: newest,
    }));
  }

  insert(sequence: number, message: PreparedMessage): void {
    this.#insert.run(
      this.#device,
      sequence,
      message.addedMs,
      priorities.indexOf(message.priority),
      message.size,
      message.messageId,
      message.createdAt,
      message.contentType,
      message.contentEncoding,
      toText(message.properties),
      message.body,
    );
  }

  /** The oldest entries after a sequence number; of one priority where one is given. */
  entries(after: number, limit: number, priority?: TelemetryPriority): OutboxEntry[] {
    const rows =
      priority === undefined
        ? this.#entries.all(this.#device, after, limit)
        : this.#entriesOf.all(this.#device, after, priorities.indexOf(priority), limit);
    return (rows as EntryRow[]).map((row) => ({
      sequence: row.sequence,
      messageId: row.message_id,
      priority: toPriority(row.priority),
      size: row.size,
      addedMs: row.added_ms,
    }));
  }

  /** The messages after one sequence number, up to another. */
  messages(after: number, last: number): StoredMessage[] {
    return (this.#messages.all(this.#device, after, last) as MessageRow[]).map(toMessage);
  }

  remove(sequence: number): void {
    this.#remove.run(this.#device, sequence);
  }

  removeThrough(sequence: number): void {
    this.#removeThrough.run(this.#device, sequence);
  }
}

interface TotalsRow {
  readonly priority: number;
  readonly count: number;
  readonly bytes: number;
  readonly last: number;
  readonly newest: number;
}

interface EntryRow {
  readonly sequence: number;
  readonly message_id: string;
  readonly priority: number;
  readonly size: number;
  readonly added_ms: number;
}

interface MessageRow extends EntryRow {
  readonly created_at: string;
  readonly content_type: string;
  readonly content_encoding: string;
  readonly properties: string;
  readonly body: ArrayBuffer;
}

function toMessage(row: MessageRow): StoredMessage {
  return {
    sequence: row.sequence,
    messageId: row.message_id,
    body: Buffer.from(row.body),
    contentType: row.content_type,
    contentEncoding: row.content_encoding,
    properties: row.properties === '' ? {} : (JSON.parse(row.properties) as Record<string, string>),
    createdAt: row.created_at,
    addedMs: row.added_ms,
    priority: toPriority(row.priority),
    size: row.size,
  };
}

function toPriority(index: number): TelemetryPriority {
  return priorities[index] ?? 'normal';
}

/** Most messages have none. */
function toText(properties: Readonly<Record<string, string>>): string {
  for (const _ in properties) return JSON.stringify(properties);
  return '';
}
