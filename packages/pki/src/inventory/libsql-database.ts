import { createHash } from 'node:crypto';
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Libsql from 'libsql';
import { takeTurns, UniqueViolation, type Database, type Dialect, type Queryable, type SqlValue } from './database.ts';
import { createSchema, fixedColumns, noInventory, prepareSchema } from './schema.ts';

/** What REPLACE would delete without asking the guards against that. */
const isThere = 'a certificate is there already';

const dialect: Dialect = {
  schema: createSchema({
    id: 'INTEGER',
    octets: 'BLOB',
    guards: `
      CREATE TRIGGER IF NOT EXISTS audit_entry_kept BEFORE DELETE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
      CREATE TRIGGER IF NOT EXISTS audit_entry_fixed BEFORE UPDATE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
      CREATE TRIGGER IF NOT EXISTS audit_entry_new BEFORE INSERT ON audit_entry
        WHEN EXISTS (SELECT 1 FROM audit_entry WHERE sequence = NEW.sequence)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
      CREATE TRIGGER IF NOT EXISTS certificate_kept BEFORE DELETE ON certificate
        BEGIN SELECT RAISE(ABORT, 'certificates are not deleted'); END;
      CREATE TRIGGER IF NOT EXISTS certificate_fixed BEFORE UPDATE OF ${fixedColumns} ON certificate
        BEGIN SELECT RAISE(ABORT, 'a certificate does not change'); END;
      CREATE TRIGGER IF NOT EXISTS certificate_new BEFORE INSERT ON certificate
        WHEN EXISTS (SELECT 1 FROM certificate WHERE id = NEW.id)
          OR EXISTS (SELECT 1 FROM certificate WHERE serial_number = NEW.serial_number)
          OR EXISTS (SELECT 1 FROM certificate WHERE registration_id = NEW.registration_id AND generation = NEW.generation)
        BEGIN SELECT RAISE(ABORT, '${isThere}'); END;`,
  }),
  namesOfWhatIsThere: 'SELECT name FROM sqlite_master',
  insertCertificates: `
    INSERT INTO certificate
    SELECT ?2 + key + 1, value->>0, value->>1, unhex(value->>2), unhex(value->>3), unhex(value->>4), unhex(value->>5),
      value->>6, value->>7, ?3, 'issued', ?3
    FROM json_each(?1)`,
  textRows: 'SELECT value FROM json_each(?1)',
  pairRows: 'SELECT value->>0 AS one, value->>1 AS other FROM json_each(?1)',
};

/**
 * A file. Every commit is on disk when it returns: write-ahead log with `synchronous=FULL`.
 *
 * A second connection reads, so that nothing half written is seen.
 */
export async function openLibsqlDatabase(path: string, mustExist: boolean): Promise<Database> {
  const place = JSON.stringify(path);
  if (!mustExist) await makeFile(path);
  else if (!existsSync(path)) throw noInventory(place);
  const writer = openConnection(path);
  // While another process writes, this one waits without standing still: see beginWriting.
  writer.exec('PRAGMA busy_timeout = 0');
  const reader = openConnection(path);
  const writing = queryable(writer);
  // One connection, one transaction: the next begins when this one has ended.
  const inTurn = takeTurns();
  const transaction: Database['transaction'] = (work) => inTurn(() => inTransaction(writer, () => work(writing)));
  const database: Database = {
    dialect,
    ...queryable(reader),
    transaction,
    snapshot: (work) => inSnapshot(path, work),
    lock: (name) =>
      promise(() => {
        const release = takeLock(path, name);
        return release && { isHeld: true, transaction, release };
      }),
    close: () =>
      inTurn(() =>
        promise(() => {
          reader.close();
          // Leaves one file, where nobody else is reading it just now.
          writer.exec('PRAGMA wal_checkpoint(TRUNCATE)');
          writer.close();
        }),
      ),
  };
  await prepareSchema(database, { mustExist, place }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  return database;
}

async function makeFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  makePrivate(path);
}

/** Mode 0600 before anything is in it; the files that the engine puts beside it get the same mode. */
function makePrivate(path: string): void {
  try {
    // At once, and only where it is new: to close a file that this process has open would give up the engine's locks on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    chmodSync(path, 0o600);
  }
}

/** How long to wait for other processes that write; each holds the file for some milliseconds. */
const writerPatienceMs = 30_000;

function openConnection(path: string): Libsql.Database {
  const connection = new Libsql(path);
  // WAL grows to 64 MiB before it is copied into the file: pages that change often are then copied once for many commits.
  connection.exec(
    'PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = 16384;',
  );
  return connection;
}

function queryable(connection: Libsql.Database): Queryable {
  const prepared = new Map<string, Libsql.Statement>();
  const prepare = (sql: string): Libsql.Statement => {
    const statement = prepared.get(sql) ?? connection.prepare(sql);
    prepared.set(sql, statement);
    return statement;
  };
  return {
    query: <Row>(sql: string, parameters: readonly SqlValue[] = []) =>
      promise(() => prepare(sql).all(parameters) as Row[]),
    run: (sql, parameters = []) =>
      promise(() => {
        if (parameters.length > 0) return prepare(sql).run(parameters).changes;
        connection.exec(sql);
        return 0;
      }),
  };
}

/** libsql answers at once, or throws; the inventory waits for its engine. */
function promise<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}

async function inTransaction<T>(connection: Libsql.Database, work: () => Promise<T>): Promise<T> {
  await beginWriting(connection);
  try {
    const result = await work();
    connection.exec('COMMIT');
    return result;
  } catch (cause) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    throw isUniqueViolation(cause) ? new UniqueViolation({ cause }) : cause;
  }
}

/** A connection of its own: its transaction lasts longer than one question. */
async function inSnapshot<T>(path: string, work: (snapshot: Queryable) => Promise<T>): Promise<T> {
  const connection = openConnection(path);
  try {
    connection.exec('BEGIN');
    return await work(queryable(connection));
  } finally {
    connection.close();
  }
}

async function beginWriting(connection: Libsql.Database): Promise<void> {
  const deadline = performance.now() + writerPatienceMs;
  for (;;) {
    try {
      connection.exec('BEGIN IMMEDIATE');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      await delay(2 + Math.random() * 8);
    }
  }
}

function isBusy(error: unknown): boolean {
  return /locked|busy/i.test(String((error as { message?: unknown }).message));
}

function isUniqueViolation(error: unknown): boolean {
  const message = String((error as { message?: unknown }).message);
  return message.includes('UNIQUE constraint failed') || message.includes(isThere);
}

/** A lock of the operating system's, which kill -9 leaves none of behind. */
function takeLock(path: string, name: string): (() => Promise<void>) | undefined {
  const lockPath = `${path}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}.lock`;
  makePrivate(lockPath);
  const lock = new Libsql(lockPath);
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return () =>
    promise(() => {
      lock.exec('ROLLBACK');
      lock.close();
    });
}
