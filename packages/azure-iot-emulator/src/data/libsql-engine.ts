import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { EmulatorError } from '../errors.ts';
import type { EntityChange, StorageEngine, StoredEntity } from './storage-engine.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS entity (
    position INTEGER PRIMARY KEY, collection TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    UNIQUE (collection, key));
`;

/**
 * Opens (or makes) `{folder}/emulator.db`, mode 0600, in a folder of mode 0700; one emulator at a time holds it.
 *
 * A commit is on the disk when it returns: SQLite's write-ahead log with `synchronous=FULL`, one fsync each.
 *
 * @throws {EmulatorError} ERR_EMULATOR_DATA_HELD, ERR_EMULATOR_DATA
 */
export function openLibsqlEngine(folder: string): StorageEngine {
  const file = join(folder, 'emulator.db');
  const release = takeLock(folder);
  try {
    makePrivate(file);
    const database = new Database(file);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(schema);
    const commit = committer(database);
    return {
      isDurable: true,
      load: () =>
        database.prepare('SELECT collection, key, value FROM entity ORDER BY position').all() as StoredEntity[],
      commit,
      close: () => {
        database.close();
        release();
      },
    };
  } catch (cause) {
    release();
    throw dataError(file, cause);
  }
}

function committer(database: Database.Database): StorageEngine['commit'] {
  const put = database.prepare(
    'INSERT INTO entity (collection, key, value) VALUES (?, ?, ?) ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value',
  );
  const remove = database.prepare('DELETE FROM entity WHERE collection = ? AND key = ?');
  const apply = ({ collection, key, value }: EntityChange) =>
    value === undefined ? remove.run(collection, key) : put.run(collection, key, value);
  return (changes) => {
    database.exec('BEGIN IMMEDIATE');
    try {
      for (const change of changes) apply(change);
      database.exec('COMMIT');
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };
}

/**
 * A lock of the operating system's, which kill -9 leaves nothing of behind. It has a file of its own: a libsql connection
 * with prepared statements gives up its locks only when those are collected.
 *
 * @throws {EmulatorError} ERR_EMULATOR_DATA_HELD, ERR_EMULATOR_DATA
 */
function takeLock(folder: string): () => void {
  const file = join(folder, 'emulator.lock');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    makePrivate(file);
    const lock = new Database(file);
    lock.exec('BEGIN EXCLUSIVE');
    return () => {
      lock.exec('ROLLBACK');
      lock.close();
    };
  } catch (cause) {
    if (!/locked|busy/i.test(String(cause))) throw dataError(file, cause);
    throw new EmulatorError(
      'ERR_EMULATOR_DATA_HELD',
      `Another emulator works on the data folder ${folder}; stop it first or choose another folder.`,
      { cause },
    );
  }
}

/** Before SQLite opens it: the files that it puts beside it get the same mode. */
function makePrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

function dataError(file: string, cause: unknown): EmulatorError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new EmulatorError(
    'ERR_EMULATOR_DATA',
    `Can't open the emulator's data ${file}: ${reason}. Check that the folder can be written and the disk isn't full.`,
    { cause },
  );
}
