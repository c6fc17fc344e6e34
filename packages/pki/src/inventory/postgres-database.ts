import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import {
  takeTurns,
  UniqueViolation,
  type Database,
  type Dialect,
  type Lock,
  type Queryable,
  type SqlValue,
} from './database.ts';
import { PkiError } from '../errors.ts';
import { createSchema, fixedColumns, prepareSchema } from './schema.ts';

const dialect: Dialect = {
  schema: createSchema({
    id: 'BIGINT',
    octets: 'BYTEA',
    guards: `
      CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit trail is only appended to, and a certificate does not change'; END $$;
      CREATE OR REPLACE TRIGGER audit_entry_fixed BEFORE UPDATE OR DELETE ON audit_entry
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE OR REPLACE TRIGGER certificate_fixed BEFORE DELETE OR UPDATE OF ${fixedColumns} ON certificate
        FOR EACH ROW EXECUTE FUNCTION refuse_change();
      CREATE OR REPLACE TRIGGER audit_entry_kept BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION refuse_change();
      CREATE OR REPLACE TRIGGER certificate_kept BEFORE TRUNCATE ON certificate EXECUTE FUNCTION refuse_change();`,
  }),
  namesOfWhatIsThere: `
    SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'i') AND pg_table_is_visible(oid)
    UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid IN (to_regclass('audit_entry'), to_regclass('certificate'))`,
  insertCertificates: `
    INSERT INTO certificate
    SELECT ?2::bigint + place, value->>0, (value->>1)::integer, decode(value->>2, 'hex'), decode(value->>3, 'hex'),
      decode(value->>4, 'hex'), decode(value->>5, 'hex'), (value->>6)::bigint, (value->>7)::bigint,
      ?3::bigint, 'issued', ?3::bigint
    FROM json_array_elements(?1::json) WITH ORDINALITY AS element (value, place)`,
  textRows: 'SELECT value FROM json_array_elements_text(?1::json) AS element (value)',
  pairRows: 'SELECT value->>0 AS one, value->>1 AS other FROM json_array_elements(?1::json) AS element (value)',
};

/** How long to wait for a connection. */
const patienceMs = 30_000;

/** Held by the one transaction that writes, and by the one that makes the tables; "pki" in ASCII. */
const writerLock = 0x706b69;

/**
 * A PostgreSQL database that many stations share.
 *
 * @param connectionString - as libpq takes it; what it leaves out comes from PGHOST, PGUSER, PGPASSWORD and so on
 */
export async function openPostgresDatabase(connectionString: string, mustExist: boolean): Promise<Database> {
  const { default: postgres } = await importDriver();
  const settings = { connectionString, types: withNumbers(postgres.types), connectionTimeoutMillis: patienceMs };
  const pool = new postgres.Pool({ ...settings, max: 4 });
  // A connection that breaks is replaced by the pool; whoever was using it hears of it from its query.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const database: Database = {
    dialect,
    ...queryable(pool),
    transaction: (work) => withClient(pool, (client) => inTransaction(client, work)),
    snapshot: (work) => withClient(pool, (client) => inSnapshot(client, work)),
    // Outside of the pool: a run holds its lock until it ends, and would keep the others from their connections.
    lock: (name) => takeLock(new postgres.Client(settings), name),
    close: () => pool.end(),
  };
  await prepareSchema(database, { mustExist, place: 'this database' }).catch(async (error: unknown) => {
    await pool.end();
    throw error;
  });
  return database;
}

/** The driver gives bigint as text unless told otherwise; ours all fit into a number. */
function withNumbers(types: pg.CustomTypesConfig): pg.CustomTypesConfig {
  const bigint = 20;
  const usual = types.getTypeParser.bind(types) as (type: number, format?: string) => unknown;
  const getTypeParser = (type: number, format?: string): unknown => (type === bigint ? Number : usual(type, format));
  return { getTypeParser: getTypeParser as pg.CustomTypesConfig['getTypeParser'] };
}

async function importDriver(): Promise<{ default: typeof pg }> {
  try {
    return await import('pg');
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_INVENTORY_UNAVAILABLE',
      'An inventory in PostgreSQL needs the package "pg": install it beside @contoso/pki.',
      { cause },
    );
  }
}

function queryable(client: pg.Pool | pg.ClientBase): Queryable {
  const ask = async (sql: string, parameters: readonly SqlValue[]): Promise<pg.QueryResult> =>
    client.query(sql.replace(/\?(\d+)/g, '$$$1'), [...parameters]);
  return {
    query: async <Row>(sql: string, parameters: readonly SqlValue[] = []) => (await ask(sql, parameters)).rows as Row[],
    run: async (sql, parameters = []) =>
      // Several statements in one go, as the schema has them, are taken without parameters only.
      (await (parameters.length === 0 ? client.query(sql) : ask(sql, parameters))).rowCount ?? 0,
  };
}

async function withClient<T>(pool: pg.Pool, work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let isGood = false;
  try {
    const result = await work(client);
    isGood = true;
    return result;
  } finally {
    // Where something failed, the connection may be what failed.
    client.release(!isGood);
  }
}

async function inTransaction<T>(client: pg.ClientBase, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  try {
    // A server may be set to answer before the log is on disk; ours has to be sure.
    await client.query('BEGIN; SET LOCAL synchronous_commit = on');
    await client.query('SELECT pg_advisory_xact_lock($1)', [writerLock]);
    const result = await work(queryable(client));
    await client.query('COMMIT');
    return result;
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw (cause as { code?: unknown }).code === '23505' ? new UniqueViolation({ cause }) : cause;
  }
}

async function inSnapshot<T>(client: pg.ClientBase, work: (snapshot: Queryable) => Promise<T>): Promise<T> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const result = await work(queryable(client));
  await client.query('COMMIT');
  return result;
}

/** A server takes a moment to notice that a process which held the lock was killed. */
const lockPatienceMs = 1000;

/**
 * The server gives the lock back when the connection ends, and it does end in a restart or a fail-over. What is to be written
 * under the lock is written over that connection: then the server itself sees to it that nothing is written without.
 */
async function takeLock(client: pg.Client, name: string): Promise<Lock | undefined> {
  let isHeld = false;
  client.on('error', () => (isHeld = false));
  client.on('end', () => (isHeld = false));
  const key = createHash('sha256').update(name).digest().readBigInt64BE().toString();
  const inTurn = takeTurns();
  try {
    await client.connect();
    isHeld = await tryLock(client, key);
  } finally {
    if (!isHeld) await client.end().catch(() => undefined);
  }
  if (!isHeld) return undefined;
  return {
    get isHeld() {
      return isHeld;
    },
    transaction: (work) => inTurn(() => inTransaction(client, work)),
    release: () =>
      inTurn(async () => {
        await client.query('SELECT pg_advisory_unlock($1)', [key]).catch(() => undefined);
        await client.end().catch(() => undefined);
      }),
  };
}

async function tryLock(client: pg.Client, key: string): Promise<boolean> {
  const deadline = performance.now() + lockPatienceMs;
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [key]);
    if (rows[0]?.taken) return true;
    if (performance.now() > deadline) return false;
    await delay(50);
  }
}
