import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { DeviceAgentError, textOf } from '../errors.ts';

/** One device's memory on disk: assignment, outbox, inbox and twin marks. One agent at a time holds it. */
export interface StateStore {
  readonly database: Database.Database;
  /** A JSON value by name; undefined where none was put. */
  get(name: string): unknown;
  put(name: string, value: unknown): void;
  remove(name: string): void;
  close(): void;
}

// One transaction, so that a new device waits for the disk once.
const schema = `
  BEGIN;
  CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, body BLOB NOT NULL,
    content_type TEXT NOT NULL, content_encoding TEXT NOT NULL, properties TEXT NOT NULL, created_at TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS inbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL);
  COMMIT;
`;

/**
 * Opens (or makes) `{folder}/{registrationId}.agent.db`, mode 0600, in a folder of mode 0700.
 *
 * A commit is on disk when it returns (write-ahead log with `synchronous=FULL`).
 *
 * @throws {DeviceAgentError} ERR_AGENT_STATE
 */
export function openStateStore(folder: string, registrationId: string): StateStore {
  const file = join(folder, `${registrationId}.agent.db`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = takeLock(join(folder, `${registrationId}.agent.lock`));
    const database = new Database(file);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(schema);
    chmodSync(file, 0o600);
    const read = database.prepare('SELECT value FROM fact WHERE name = ?');
    const write = database.prepare(
      'INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    );
    const remove = database.prepare('DELETE FROM fact WHERE name = ?');
    return {
      database,
      get: (name) => {
        const row = read.get(name) as { value: string } | undefined;
        return row && (JSON.parse(row.value) as unknown);
      },
      put: (name, value) => void write.run(name, JSON.stringify(value)),
      remove: (name) => void remove.run(name),
      close: () => {
        database.close();
        lock.close();
      },
    };
  } catch (cause) {
    const held = /locked|busy/i.test(textOf(cause));
    throw new DeviceAgentError(
      'ERR_AGENT_STATE',
      held
        ? `Another agent for ${registrationId} is running on ${file}: stop it first.`
        : `Can't open the agent's state ${file}: ${textOf(cause)}. Check that the folder can be written and the disk isn't full.`,
      { cause },
    );
  }
}

/**
 * A lock of the operating system's, which kill -9 leaves none of behind. It has a file of its own: a libsql connection that
 * has prepared statements gives up its locks only when those are collected.
 */
function takeLock(file: string): { close(): void } {
  const lock = new Database(file);
  lock.exec('BEGIN EXCLUSIVE');
  return {
    close: () => {
      lock.exec('ROLLBACK');
      lock.close();
    },
  };
}
