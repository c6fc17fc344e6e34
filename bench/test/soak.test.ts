import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { processEnvironment } from '../src/chaos/process-environment.ts';
import { judgeSoak, type SoakReport, type SoakSample } from '../src/soak-report.ts';

const command = fileURLToPath(new URL('../dist/soak-command.js', import.meta.url));

describe('a short soak', () => {
  it('leaves memory, handles and listeners as they were over 300 reconnects', async () => {
    const args = [command, '--agents', '1', '--minutes', '4', '--reconnects', '300', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: processEnvironment() });
    const report = JSON.parse(stdout) as SoakReport;
    expect(report).toMatchObject({ findings: [], handleGrowth: 0, listenerGrowth: 0 });
    expect(report.heapGrowthMiB).toBeLessThan(1);
    expect(report.reconnects).toBeGreaterThanOrEqual(300);
  }, 270_000);
});

describe('what a soak comes to', () => {
  const flat = { heapMiB: 20, residentMiB: 100, handles: 7, listeners: 3 };
  const samples = (change: (index: number) => Partial<SoakSample>): SoakSample[] =>
    Array.from({ length: 30 }, (_, index) => ({ reconnects: (index + 1) * 100, ...flat, ...change(index) }));

  it('ok: flat, with noise, after a steep warm-up', () => {
    const report = judgeSoak(samples((index) => ({ heapMiB: index < 10 ? index * 2 : 20 + (index % 2) * 0.5 })));
    expect(report).toMatchObject({ reconnects: 3_000, findings: [] });
  });

  it.each<[string, (index: number) => Partial<SoakSample>, string]>([
    ['heap', (index) => ({ heapMiB: 20 + index * 0.1 }), 'heapGrowthMiB is 1.9, and at most 1 is flat'],
    ['resident memory', (index) => ({ residentMiB: 100 + index }), 'residentGrowthMiB is 19, and at most 16 is flat'],
    ['handles', (index) => ({ handles: 7 + Math.floor(index / 28) }), 'handleGrowth is 1, and at most 0 is flat'],
    ['listeners', (index) => ({ listeners: index }), 'listenerGrowth is 19, and at most 0 is flat'],
  ])('fail: %s', (_, change, finding) => {
    expect(judgeSoak(samples(change)).findings).toEqual([finding]);
  });
});
