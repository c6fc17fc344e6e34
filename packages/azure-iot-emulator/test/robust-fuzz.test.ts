import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';

interface Summary {
  readonly cases: number;
  readonly growthMiB: number;
  readonly last: { readonly accepted: number };
  readonly failure?: string;
}

const program = fileURLToPath(new URL('fuzz/run.mjs', import.meta.url));

async function fuzz(...args: string[]): Promise<{ summary: Summary; code: unknown }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const summary = JSON.parse(await text(child.stdout)) as Summary;
  const [code] = await closed;
  return { summary, code };
}

// The long run, 100,000 cases: `npm run fuzz`.
it('ok: 3,000 mutations of real clients’ sessions leave no socket, timer, rejection or memory behind', async () => {
  const { summary, code } = await fuzz('--cases', '3000', '--seed', '5');
  expect(summary.failure).toBeUndefined();
  expect(code).toBe(0);
  expect(summary.cases).toBe(3000);
  // Some mutations leave a session good: what is fuzzed is the whole emulator, not its front door.
  expect(summary.last.accepted).toBeGreaterThan(50);
  // Heap and buffers after garbage collection, from the middle of the run to its end: kept telemetry and little else.
  expect(summary.growthMiB).toBeLessThan(8);
}, 120_000);

it('ok: one case of a seed can be played alone', async () => {
  const { summary, code } = await fuzz('--seed', '5', '--only', '1234');
  expect([summary.failure, code, summary.cases]).toEqual([undefined, 0, 1235]);
});
