import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';

/** What a device has on disk, in numbers: never a body, a property, or a twin's value. */
export interface StateSummary {
  readonly outbox: OutboxSummary;
  readonly assignment: KeptPlace | undefined;
  /** Cloud-to-device messages that wait for the application. */
  readonly unhandledMessages: number;
}

export interface OutboxSummary {
  readonly messages: number;
  /** As the hub counts them. */
  readonly bytes: number;
  readonly oldestAgeSeconds: number;
}

/** The kept assignment, without what a custom allocation has sent along, which may be anything. */
export interface KeptPlace {
  readonly assignedHub: string;
  readonly deviceId: string;
  /** The DPS that has made it. */
  readonly idScope: string;
  /** The DPS that was configured then. */
  readonly configuredIdScope: string;
}

interface Counts {
  readonly messages: number;
  readonly bytes: number;
  readonly oldest: number | null;
  readonly unhandled: number;
  readonly assignment: string | null;
}

const query = `SELECT
    (SELECT count(*) FROM outbox WHERE device = d.id) AS messages,
    (SELECT coalesce(sum(size), 0) FROM outbox WHERE device = d.id) AS bytes,
    (SELECT min(added_ms) FROM outbox WHERE device = d.id) AS oldest,
    (SELECT count(*) FROM inbox WHERE device = d.id AND handled_ms IS NULL) AS unhandled,
    (SELECT value FROM fact WHERE device = d.id AND name = 'assignment') AS assignment
  FROM device AS d WHERE registration_id = ?`;

/**
 * Reads a state folder that an agent may be using; undefined where it has nothing of this device yet.
 *
 * @throws the database's own errors
 */
export function summarizeState(folder: string, registrationId: string, now: Date): StateSummary | undefined {
  return read(folder, (database) => {
    const counts = database.prepare(query).get(registrationId) as Counts | undefined;
    if (!counts) return undefined;
    const { messages, bytes, oldest, unhandled, assignment } = counts;
    const oldestAgeSeconds = oldest === null ? 0 : Math.max(0, Math.round((now.getTime() - oldest) / 1_000));
    return {
      outbox: { messages, bytes, oldestAgeSeconds },
      assignment: assignment === null ? undefined : placeOf(assignment),
      unhandledMessages: unhandled,
    };
  });
}

/**
 * One of a device's facts, as an agent put it last.
 *
 * @throws the database's own errors
 */
export function readFact(folder: string, registrationId: string, name: string): unknown {
  return read(folder, (database) => {
    const row = database
      .prepare('SELECT value FROM fact WHERE name = ? AND device = (SELECT id FROM device WHERE registration_id = ?)')
      .get(name, registrationId) as { readonly value: string } | undefined;
    return row && (JSON.parse(row.value) as unknown);
  });
}

/**
 * Has SQLite look over the whole database; undefined where there is none yet.
 *
 * @throws the database's own errors
 */
export function examineDatabase(
  folder: string,
): { readonly file: string; readonly version: number; readonly problems: readonly string[] } | undefined {
  return read(folder, (database, file) => {
    const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
    const rows = database.prepare('PRAGMA quick_check(3)').all() as { quick_check: string }[];
    return { file, version, problems: rows.map((row) => row.quick_check).filter((problem) => problem !== 'ok') };
  });
}

function read<T>(folder: string, work: (database: Database.Database, file: string) => T): T | undefined {
  const file = join(folder, 'agent.db');
  if (!existsSync(file)) return undefined;
  const database = new Database(file, { readonly: true });
  try {
    return work(database, file);
  } finally {
    database.close();
  }
}

function placeOf(json: string): KeptPlace {
  const { assignedHub, deviceId, idScope, configuredIdScope } = JSON.parse(json) as KeptPlace;
  return { assignedHub, deviceId, idScope, configuredIdScope };
}
