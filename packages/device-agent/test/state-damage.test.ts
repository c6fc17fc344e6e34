import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hubName, issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';

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
