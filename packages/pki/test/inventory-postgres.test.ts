import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { issueMany, type IssuedCredential } from '../src/index.ts';
import { openPostgresInventory } from '../src/inventory/index.ts';
import { collect, expectRefusal } from './inventory-engines.ts';
import { createLine, deviceIds, issueIds } from './mass-source.ts';
import { postgresProblem, startPostgres, type PostgresServer } from './postgres-server.ts';

const order = { orderedBy: 'order 4711', station: 'station-1' };

/** What a database's administrator does beside the inventory. */
async function administer(database: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const { default: postgres } = await import('pg');
  const client = new postgres.Client({ connectionString: database });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** As docs/inventory.md gives them. */
const roles =
  /```sql\n([^`]*)```/.exec(readFileSync(new URL('../docs/inventory.md', import.meta.url), 'utf8'))?.[1] ?? '';

/** As a restart or a fail-over does; resolves when the server has given back what they held. */
function dropConnections(database: string): Promise<void> {
  return administer(database, (client) =>
    client.query(
      'SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    ),
  );
}

const describeOnServer = postgresProblem === undefined ? describe : describe.skip;

describeOnServer(`an inventory in PostgreSQL${postgresProblem === undefined ? '' : `, ${postgresProblem}`}`, () => {
  let server: PostgresServer | undefined;
  let database = '';
  beforeAll(() => {
    server = startPostgres();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    database = await server!.createDatabase();
  });

  it('ends a run whose station is lost with its connection, before it writes or hands out any more', async () => {
    const [one, two] = [await openPostgresInventory(database), await openPostgresInventory(database)];
    const line = await createLine();
    const handed: string[] = [];
    const receiver = (name: string) => ({
      take: async (devices: readonly IssuedCredential[]) =>
        void handed.push(...devices.map(({ registrationId }) => `${name} ${registrationId}`)),
    });
    const options = { line, ...order, threads: 0, batchSize: 2 };
    const first = issueMany(deviceIds(6), { ...options, inventory: one, receiver: receiver('first') });
    await first.next();
    await dropConnections(database);
    await issueIds(deviceIds(6), { ...options, inventory: two, receiver: receiver('second') });
    await expectRefusal(collect(first), 'ERR_PKI_INVENTORY_UNAVAILABLE', /station-1.*another run/);
    expect(handed).toEqual([...deviceIds(2).map((id) => `first ${id}`), ...deviceIds(6).map((id) => `second ${id}`)]);
    expect((await two.verifyAudit()).problems).toEqual([]);
    await one.close();
    await two.close();
  });

  it('hands out no further device of a batch without its station', async () => {
    const inventory = await openPostgresInventory(database);
    const run = issueMany(deviceIds(3), { line: await createLine(), inventory, ...order, threads: 0 });
    await run.next();
    await dropConnections(database);
    await expectRefusal(
      run.next().then(() => run.next()),
      'ERR_PKI_INVENTORY_UNAVAILABLE',
      /station-1.*another run/,
    );
    await inventory.close();
  });

  it('goes on with new connections where no station was claimed', async () => {
    const inventory = await openPostgresInventory(database);
    await inventory.findCurrent(['a']);
    await dropConnections(database);
    expect((await inventory.verifyAudit()).isIntact).toBe(true);
    await inventory.close();
  });

  it('serves more runs at a time than it has connections for reading', async () => {
    const inventory = await openPostgresInventory(database);
    const line = await createLine();
    const stations = deviceIds(9, 'station');
    await Promise.all(
      stations.map((station) => issueIds([`${station}-a`, `${station}-b`], { line, inventory, ...order, station })),
    );
    expect(await collect(inventory.find({ states: ['delivered'] }))).toHaveLength(18);
    await inventory.close();
  }, 20_000);

  it('needs no more rights than its work takes: a station appends, an auditor reads', async () => {
    const owner = await openPostgresInventory(database);
    await issueIds(['a'], { line: await createLine(), inventory: owner, ...order });
    await administer(database, (client) => client.query(roles));
    const as = (role: string): string => database.replace('postgres@', `${role}@`);
    const station = await openPostgresInventory(as('station'));
    await issueIds(['b'], { line: await createLine(), inventory: station, ...order });
    const auditor = await openPostgresInventory(as('auditor'), { mustExist: true });
    expect(await auditor.verifyAudit()).toMatchObject({ isIntact: true, certificates: 2 });
    const [record] = await collect(auditor.find());
    const revoking = auditor.revoke({ ...order, serialNumber: record!.serialNumber, reason: 'superseded' });
    await expectRefusal(revoking, 'ERR_PKI_INVENTORY_UNAVAILABLE', /permission denied/);
    for (const sql of [
      'DROP TRIGGER certificate_fixed ON certificate',
      'TRUNCATE certificate',
      'DELETE FROM certificate',
    ]) {
      await administer(as('station'), async (client) => {
        await expect(client.query(sql)).rejects.toThrow(/must be owner|permission denied/);
      });
    }
    await owner.close();
    await station.close();
    await auditor.close();
  });

  it('gives a station back that is still claimed when it is closed', async () => {
    const [one, two] = [await openPostgresInventory(database), await openPostgresInventory(database)];
    await one.claimStation('station-1');
    await one.close();
    const claim = await two.claimStation('station-1');
    await claim.release();
    await two.close();
  });
});
