import { randomUUID } from 'node:crypto';
import { DeviceAgentError } from '../errors.ts';
import type { StateStore } from '../state/state-store.ts';

/** A telemetry message as the application gives it. */
export interface TelemetryMessage {
  /** Text goes as UTF-8, other values as JSON. */
  readonly body: string | Uint8Array | Readonly<Record<string, unknown>> | readonly unknown[];
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Default `utf-8`. */
  readonly contentEncoding?: string;
  /** Application properties: what message routes look at. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Default: a new UUID. It stays the same over every retry, so that the back office can tell duplicates. */
  readonly messageId?: string;
}

/** A message on disk, waiting for the hub's acknowledgement. */
export interface StoredMessage {
  readonly sequence: number;
  readonly messageId: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly properties: Readonly<Record<string, string>>;
  /** ISO 8601, when `send` was called. */
  readonly createdAt: string;
}

/** Telemetry on disk, first in, first out. */
export interface Outbox {
  /** On disk when it returns. */
  add(message: TelemetryMessage, now: Date): StoredMessage;
  /** The oldest messages after a sequence number. */
  after(sequence: number, limit: number): StoredMessage[];
  /** Forgets a message that the hub has acknowledged. */
  remove(sequence: number): void;
  count(): number;
}

/** Azure's limit for a device-to-cloud message, in bytes. */
const maximumBytes = 256 * 1024;

export function createOutbox({ database }: StateStore): Outbox {
  const insert = database.prepare(
    'INSERT INTO outbox (message_id, body, content_type, content_encoding, properties, created_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const select = database.prepare('SELECT * FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?');
  const removeOne = database.prepare('DELETE FROM outbox WHERE sequence = ?');
  const counting = database.prepare('SELECT count(*) AS n FROM outbox');
  return {
    add(message, now) {
      const {
        contentType = 'application/json',
        contentEncoding = 'utf-8',
        properties = {},
        messageId = randomUUID(),
      } = message;
      const body = toBytes(message.body);
      if (body.length > maximumBytes) {
        throw new DeviceAgentError(
          'ERR_AGENT_MESSAGE_TOO_LARGE',
          `Message ${messageId} has ${body.length} bytes; IoT Hub takes ${maximumBytes}. Split or compress it.`,
        );
      }
      const createdAt = now.toISOString();
      const { lastInsertRowid } = insert.run(
        messageId,
        body,
        contentType,
        contentEncoding,
        JSON.stringify(properties),
        createdAt,
      );
      return {
        sequence: Number(lastInsertRowid),
        messageId,
        body,
        contentType,
        contentEncoding,
        properties,
        createdAt,
      };
    },
    after: (sequence, limit) => (select.all(sequence, limit) as OutboxRow[]).map(fromRow),
    remove: (sequence) => void removeOne.run(sequence),
    count: () => (counting.get() as { n: number }).n,
  };
}

interface OutboxRow {
  readonly sequence: number;
  readonly message_id: string;
  readonly body: Uint8Array;
  readonly content_type: string;
  readonly content_encoding: string;
  readonly properties: string;
  readonly created_at: string;
}

function fromRow(row: OutboxRow): StoredMessage {
  return {
    sequence: row.sequence,
    messageId: row.message_id,
    body: Buffer.from(row.body),
    contentType: row.content_type,
    contentEncoding: row.content_encoding,
    properties: JSON.parse(row.properties) as Record<string, string>,
    createdAt: row.created_at,
  };
}

function toBytes(body: TelemetryMessage['body']): Buffer {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(JSON.stringify(body), 'utf8');
}
