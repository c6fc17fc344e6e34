import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inTemporaryFolder } from './fixtures.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('./mass-memory-child.mjs', import.meta.url));

interface Sample {
  done: number;
  rssMiB: number;
  externalMiB: number;
}

async function issueInProcess(count: number): Promise<Sample[]> {
  let samples: Sample[] = [];
  await inTemporaryFolder(async (folder) => {
    const order = JSON.stringify({ path: join(folder, 'inventory.db'), count });
    // Node 24 lets the young generation grow to several times of this, whatever the program is.
    const { stdout } = await run(process.execPath, ['--max-semi-space-size=16', child, order]);
    samples = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Sample);
  });
  return samples;
}

describe('memory of issueMany, with two threads and an inventory', () => {
  it('stays the same however many devices there are', async () => {
    const samples = await issueInProcess(120_000);
    const most = (from: number, end: number, what: 'rssMiB' | 'externalMiB'): number =>
      Math.max(...samples.filter(({ done }) => done > from && done <= end).map((sample) => sample[what]));
    expect(samples.at(-1)?.done).toBe(120_000);
    // By then V8 has its heaps as large as it lets them grow: what is held for each device would show afterwards.
    expect(most(80_000, 120_000, 'rssMiB') - most(20_000, 40_000, 'rssMiB')).toBeLessThan(40);
    expect(most(0, 120_000, 'rssMiB')).toBeLessThan(300);
    // Batches of a megabyte each: their memory goes round, and doesn't wait for garbage collection.
    expect(most(0, 120_000, 'externalMiB')).toBeLessThan(24);
  }, 120_000);
});
