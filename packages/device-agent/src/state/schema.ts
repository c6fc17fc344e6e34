import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import Database from 'libsql';
import { DeviceAgentError } from '../errors.ts';
import { damagedAdvice } from './state-error.ts';

/** `PRAGMA user_version` of the databases that this version writes. */
export const schemaVersion = 1;

/**
 * Rows are kept together by device and in order. What is small and read often stands before the body, so that reading it
 * touches no page of the body.
 */
const schema = `
  CREATE TABLE device (id INTEGER PRIMARY KEY, registration_id TEXT NOT NULL UNIQUE);
  CREATE TABLE fact (device INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (device, name)) WITHOUT ROWID;
  CREATE TABLE outbox (device INTEGER NOT NULL, sequence INTEGER NOT NULL, added_ms INTEGER NOT NULL,
    priority INTEGER NOT NULL, size INTEGER NOT NULL, message_id TEXT NOT NULL, created_at TEXT NOT NULL,
    content_type TEXT NOT NULL, content_encoding TEXT NOT NULL, properties TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (device, sequence)) WITHOUT ROWID;
  CREATE TABLE inbox (device INTEGER NOT NULL, sequence INTEGER NOT NULL, identity BLOB NOT NULL, packet_id INTEGER NOT NULL,
    attempts INTEGER NOT NULL, handled_ms INTEGER, topic TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (device, sequence)) WITHOUT ROWID;
  CREATE INDEX inbox_identity ON inbox (device, identity);
`;

/**
 * Writes a new database beside its place, where that is empty. It comes into being whole, by a rename: a power cut leaves none
 * or all of it.
 *
 * @returns the draft, which has to be on disk before `placeDraft`; undefined: there is a database
 */
export function draftDatabase(file: string): string | undefined {
  if (existsSync(file)) return undefined;
  const draft = draftOf(file);
  rmSync(draft, { force: true });
  const database = new Database(draft);
  database.exec(`
    PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;
    BEGIN; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT;
    PRAGMA journal_mode = WAL;
  `);
  database.close();
  // The log's files take their mode from the database's.
  chmodSync(draft, 0o600);
  return draft;
}

/** The waits for the folder and for the write-ahead log come with the first commit, before it returns. */
export function placeDraft(file: string): void {
  renameSync(draftOf(file), file);
}

function draftOf(file: string): string {
  return `${file}.new`;
}

/** @throws {DeviceAgentError} ERR_AGENT_STATE: written by a version that this one doesn't know */
export function checkSchemaVersion(file: string, found: number): void {
  if (found === schemaVersion) return;
  if (found < schemaVersion) throw damaged(file, `its schema version is ${found}`);
  throw new DeviceAgentError(
    'ERR_AGENT_STATE',
    `The agent's state ${file} was written by a newer version of this package: its schema version is ${found}, this one knows ${schemaVersion}.`,
    { advice: 'Install the newer version again, or give this one a folder of its own.' },
  );
}

function damaged(file: string, what: string): DeviceAgentError {
  return new DeviceAgentError(
    'ERR_AGENT_STATE',
    `The agent's state ${file} is damaged: ${what}. Nothing was deleted.`,
    { advice: damagedAdvice },
  );
}
