import { createHash } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Libsql from 'libsql';
import { UniqueViolation, type Database, type Dialect, type Queryable, type SqlValue } from './database.ts';
import { createSchema, fixedColumns } from './schema.ts';

const dialect: Dialect = {
  schema: createSchema({
    id: 'INTEGER',
    octets: 'BLOB',
    guards: `
      CREATE TRIGGER IF NOT EXISTS audit_entry_kept BEFORE DELETE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
      CREATE TRIGGER IF NOT EXISTS audit_entry_fixed BEFORE UPDATE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'the audit trail is only appended to'); END;
      CREATE TRIGGER IF NOT EXISTS certificate_kept BEFORE DELETE ON certificate
        BEGIN SELECT RAISE(ABORT, 'certificates are not deleted'); END;
      CREATE TRIGGER IF NOT EXISTS certificate_fixed BEFORE UPDATE OF ${fixedColumns} ON certificate
        BEGIN SELECT RAISE(ABORT, 'a certificate does not change'); END;`,
  }),
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
export async function openLibsqlDatabase(path: string): Promise<Database> {
  await mkdir(dirname(path), { recursive: true });
  const writer = openConnection(path);
  writer.exec(dialect.schema);
  // While another process writes, this one waits without standing still: see beginWriting.
  writer.exec('PRAGMA busy_timeout = 0');
  await chmod(path, 0o600);
  const reader = openConnection(path);
  const writing = queryable(writer);
  let last: Promise<unknown> = Promise.resolve();
  return {
    dialect,
    ...queryable(reader),
    transaction(work) {
      // One connection, one transaction: the next begins when this one has ended.
      const turn = last.then(() => inTransaction(writer, () => work(writing)));
      last = turn.catch(() => undefined);
      return turn;
    },
    lock: (name) => Promise.resolve(takeLock(path, name)),
    close: async () => {
      await last;
      reader.close();
      // Leaves one file, where nobody else is reading it just now.
      writer.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      writer.close();
    },
  };
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
    run: (sql, parameters = []) => promise(() => prepare(sql).run(parameters).changes),
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
  return /UNIQUE constraint failed/.test(String((error as { message?: unknown }).message));
}

/** A lock of the operating system's, which kill -9 leaves none of behind. */
function takeLock(path: string, name: string): (() => Promise<void>) | undefined {
  const lock = new Libsql(`${path}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}.lock`);
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
