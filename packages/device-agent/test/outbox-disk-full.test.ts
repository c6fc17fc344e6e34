import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { nextTurn, OutboxWorld } from './outbox-world.ts';
import { mayMountSmallDisk, SmallDisk } from './small-disk.ts';

const megabytes = 3;
const itOnDisk = mayMountSmallDisk ? it : it.skip;
const body = 'x'.repeat(20_000);
const isFull = {
  code: 'ERR_AGENT_STATE',
  message: expect.stringMatching(/the disk is full .*Free space; the agent goes on by itself/),
};

describe(`a disk that is full${mayMountSmallDisk ? '' : ' (skipped: this user may not mount a small one)'}`, () => {
  let small: SmallDisk;
  let world: OutboxWorld;

  beforeEach(() => {
    small = new SmallDisk(megabytes);
    world = new OutboxWorld({}, join(small.folder, 'state'));
  });

  afterEach(() => {
    world.store.close();
    small.close();
  });

  /** Adds turns of three until one is refused; returns the IDs of what was kept. */
  const addUntilRefused = async (): Promise<string[]> => {
    const kept: string[] = [];
    for (let turn = 0; ; turn += 1) {
      const ids = ['a', 'b', 'c'].map((letter) => `${turn}-${letter}`);
      const results = await Promise.allSettled(ids.map((id) => world.add(id, { body })));
      const refused = results.filter((result) => result.status === 'rejected');
      if (refused.length > 0) {
        // All of one turn, or nothing of it.
        expect(refused.map(({ reason }) => reason as unknown)).toEqual(Array(3).fill(expect.objectContaining(isFull)));
        return kept;
      }
      kept.push(...ids);
    }
  };

  /** Takes all that waits, in order, and has the disk know that it is gone. */
  const deliver = async (pageSize: number): Promise<string[]> => {
    const delivered: string[] = [];
    world.outbox.startReading();
    for (let page = world.read(pageSize); page.length > 0; page = world.read(pageSize)) {
      for (const message of page) world.outbox.acknowledge(message);
      delivered.push(...page.map(({ messageId }) => messageId));
      await nextTurn();
      await nextTurn();
      await nextTurn();
    }
    world.outbox.stopReading();
    return delivered;
  };

  itOnDisk('fail: rejects what it cannot keep, leaves nothing of it, and goes on when there is space', async () => {
    small.fill(2 * 1024 * 1024);
    const kept = await addUntilRefused();
    expect(kept.length).toBeGreaterThan(9);
    expect([world.waiting(), world.outbox.count]).toEqual([kept, kept.length]);
    small.free();
    await world.add('with space', { body, messageId: 'with-space' });
    world.outbox.startReading();
    for (const message of world.read(5)) world.outbox.acknowledge(message);
    world.reopen();
    expect(world.waiting()).toEqual([...kept.slice(5), 'with-space']);
    expect(statSync(join(world.folder, 'agent.reserve')).mode & 0o777).toBe(0o600);
  });

  itOnDisk.each([
    { what: 'all that it took', others: 0, pageSize: 7 },
    { what: 'all that it took at once', others: 0, pageSize: 1_000 },
    { what: 'what it took with others', others: 1.5, pageSize: 1 },
    { what: 'the little that it took', others: 2.5, pageSize: 3 },
  ])('to the last byte: $what is forgotten when it was delivered', async ({ others, pageSize }) => {
    await world.add('first', { body });
    small.fill((megabytes - others) * 1024 * 1024);
    const kept = ['first', ...(await addUntilRefused())];
    small.fill();
    expect(small.freeBytes).toBe(0);
    expect(await deliver(pageSize)).toEqual(kept);
    world.crash();
    expect(world.waiting()).toEqual([]);
  });

  itOnDisk('to the last byte: it goes on in the room that delivered messages leave, also over restarts', async () => {
    const kept = await addUntilRefused();
    small.fill();
    for (let round = 0; round < 5; round += 1) {
      world.outbox.startReading();
      const page = world.read(10);
      for (const message of page) world.outbox.acknowledge(message);
      await nextTurn();
      await nextTurn();
      await nextTurn();
      kept.splice(0, page.length);
      for (let number = 0; number < 5; number += 1) {
        small.fill();
        await world.add(`round ${round} ${number}`, { body, messageId: `${round}-${number}` });
        kept.push(`${round}-${number}`);
      }
      small.fill();
      world.outbox.stopReading();
      expect(world.waiting()).toEqual(kept);
      world.store.close();
      small.fill();
      world.open();
      expect(world.waiting()).toEqual(kept);
    }
    await expect(addUntilRefused()).resolves.toBeDefined();
  });

  itOnDisk('to the last byte: a process that was killed there goes on there', async () => {
    world.store.close();
    const { NODE_OPTIONS: _, ...env } = process.env;
    const script = fileURLToPath(new URL('./outbox-child.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, world.folder, '30'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    const promised: string[] = [];
    const output = createInterface({ input: child.stdout });
    output.on('line', (line) => {
      if (line.startsWith('added')) promised.push(line.slice('added '.length));
      if (promised.length === 500) child.kill('SIGKILL');
    });
    await once(output, 'close');
    small.fill();
    world.open();
    const delivered = await deliver(50);
    expect(delivered.slice(0, promised.length)).toEqual(promised);
    small.fill();
    world.crash();
    expect(world.waiting()).toEqual([]);
  });

  itOnDisk('to the last byte: what was delivered goes, also when more is refused in the same turn', async () => {
    const kept = await addUntilRefused();
    small.fill();
    world.outbox.startReading();
    const page = world.read(2);
    for (const message of page) world.outbox.acknowledge(message);
    const more = await Promise.allSettled(
      [1, 2, 3, 4, 5].map((id) => world.add(`more-${id}`, { body: body.repeat(8) })),
    );
    expect(more).toEqual(Array(5).fill({ status: 'rejected', reason: expect.objectContaining(isFull) }));
    world.crash();
    expect(world.waiting()).toEqual(kept.slice(2));
  });
});
