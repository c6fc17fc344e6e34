import { closeSync, existsSync, openSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { hubName, issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';

// Whole agents whose database goes bad under them.

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

/** Everything behind the first page, which says what the file is. */
function spoil(stateFolder: string): void {
  for (const file of ['agent.db', 'agent.db-wal'].map((name) => join(stateFolder, name))) {
    const size = existsSync(file) ? statSync(file).size : 0;
    if (size <= 4096) continue;
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096);
    closeSync(descriptor);
  }
}

describe('an agent whose database is damaged while it runs', () => {
  it('says so, waits as for a trouble of its own, and can be stopped', async () => {
    const deviceId = 'damaged-while-running';
    const stateFolder = await mkdtemp(join(contoso.folder, 'damage-'));
    const lanes: string[] = [];
    const { agent, next } = watchedAgent(contoso, await issueIdentity(contoso, deviceId), {
      stateFolder,
      retryPolicy: { nextDelayMs: ({ lane }) => (lanes.push(lane), 0) },
    });
    await agent.start();
    let hasEnded = false;
    void agent.finished.then(() => (hasEnded = true));
    const endOutage = contoso.azure.faults.add({ kind: 'hubDown', hub: hubName });
    await next('retry');
    // More than SQLite keeps in memory.
    await Promise.all(Array.from({ length: 4_000 }, () => agent.send({ body: 'x'.repeat(500) })));
    spoil(stateFolder);
    endOutage();
    const { error } = await next('retry', (event) => event.error.code === 'ERR_AGENT_STATE');
    expect(error.message).toMatch(/it is damaged/);
    expect(lanes).toContain('unavailable');
    expect(hasEnded).toBe(false);
    await expect(agent.stop(0)).resolves.toEqual({ undeliveredMessages: 4_000 });
    await expect(agent.finished).resolves.toBeUndefined();
    expect(agent.state.status).toBe('Closed');
  });
});

describe('an agent that can’t read what it has kept', () => {
  it('says so each time that it is started, and holds nothing', async () => {
    const stateFolder = await mkdtemp(join(contoso.folder, 'damage-'));
    const { agent } = watchedAgent(contoso, await issueIdentity(contoso, 'unreadable'), { stateFolder });
    await agent.start();
    await agent.stop();
    const file = join(stateFolder, 'agent.db');
    const database = new Database(file);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const { rootpage } = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'fact'").get() as {
      rootpage: number;
    };
    database.close();
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, Buffer.alloc(4096, 0xa5), 0, 4096, (rootpage - 1) * 4096);
    closeSync(descriptor);
    const damaged = { code: 'ERR_AGENT_STATE', message: expect.stringMatching(/it is damaged/) };
    await expect(agent.start()).rejects.toMatchObject(damaged);
    await expect(agent.start()).rejects.toMatchObject(damaged);
  });
});

describe('an agent whose database is no database any more when it starts', () => {
  it('says so, sets it aside, asks DPS anew, and works', async () => {
    const stateFolder = await mkdtemp(join(contoso.folder, 'damage-'));
    const identity = await issueIdentity(contoso, 'damaged-before-start');
    const create = (): Watched => watchedAgent(contoso, identity, { stateFolder });
    const first = create();
    await first.agent.start();
    await first.agent.stop();
    const file = join(stateFolder, 'agent.db');
    writeFileSync(file, Buffer.alloc(statSync(file).size));
    const { agent, events, next } = create();
    await agent.start();
    const told = await next('state-set-aside');
    expect(told).toMatchObject({ reason: 'it is no SQLite database' });
    expect(statSync(told.file).size).toBeGreaterThan(4_096);
    expect(events.find(({ type }) => type === 'provisioned')).toBeDefined();
    await agent.send({ body: {} });
    await agent.flush();
    await agent.stop();
    const third = create();
    await third.agent.start();
    expect(third.events.map(({ type }) => type)).not.toContain('state-set-aside');
    await third.agent.stop(0);
  });
});
