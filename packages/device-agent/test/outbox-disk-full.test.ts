import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OutboxWorld } from './outbox-world.ts';

const disk = mkdtempSync(join(tmpdir(), 'outbox-disk-'));

/** A file system of 3 MiB; only who may mount has one. */
const isMounted = ((): boolean => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const itOnDisk = isMounted ? it : it.skip;

describe('a disk that is full', () => {
  const filler = join(disk, 'filler');
  let world: OutboxWorld;

  beforeAll(() => {
    world = new OutboxWorld({}, join(disk, 'state'));
  });

  afterAll(() => {
    world.store.close();
    if (isMounted) execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });

  itOnDisk(
    'fail: rejects what it cannot keep, leaves nothing of it behind, and goes on when there is space',
    async () => {
      const body = 'x'.repeat(20_000);
      const kept: string[] = [];
      const refused: string[] = [];
      writeFileSync(filler, Buffer.alloc(1024 * 1024));
      for (let turn = 0; refused.length === 0; turn += 1) {
        const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => world.add(`${turn}-${id}`, { body })));
        for (const [index, result] of results.entries()) {
          const id = `${turn}-${['a', 'b', 'c'][index]}`;
          if (result.status === 'fulfilled') kept.push(id);
          else refused.push(id);
          if (result.status === 'rejected') {
            expect(result.reason).toMatchObject({
              code: 'ERR_AGENT_STATE',
              message: expect.stringMatching(/the disk is full .*Free space; the agent goes on by itself/),
            });
          }
        }
      }
      // All of one turn, or nothing of it.
      expect(refused).toHaveLength(3);
      expect(kept.length).toBeGreaterThan(9);
      expect([world.waiting(), world.outbox.count]).toEqual([kept, kept.length]);
      rmSync(filler);
      await world.add('with space', { body, messageId: 'with-space' });
      world.outbox.startReading();
      for (const message of world.read(5)) world.outbox.acknowledge(message);
      world.reopen();
      expect(world.waiting()).toEqual([...kept.slice(5), 'with-space']);
    },
  );
});
