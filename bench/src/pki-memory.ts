import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { issueMany } from '@contoso/pki';
import { openInventory } from '@contoso/pki/inventory';
import { createMaterial, deviceIds } from './pki-ways.ts';

/** What one long run took; sizes in bytes, memory of the whole process in MiB. */
export interface LongRun {
  devices: number;
  seconds: number;
  /** Resident after so many devices, as far as the run went, and the most that it was at any time. */
  rssAtTenThousandMiB?: number;
  rssAtHundredThousandMiB?: number;
  rssAtMillionMiB?: number;
  rssMostMiB: number;
  inventoryBytes: number;
}

// In a process of its own, so that nothing but mass issuing is in its memory: devices, folder.
const count = Number(process.argv[2]);
const path = join(process.argv[3] ?? '.', 'long-run.db');
const { line } = await createMaterial();
const inventory = await openInventory(path);
const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;
type Milestone = 'rssAtTenThousandMiB' | 'rssAtHundredThousandMiB' | 'rssAtMillionMiB';
const milestones = new Map<number, Milestone>([
  [10_000, 'rssAtTenThousandMiB'],
  [100_000, 'rssAtHundredThousandMiB'],
  [1_000_000, 'rssAtMillionMiB'],
]);
const rssAt: Pick<LongRun, Milestone> = {};
let [done, most] = [0, 0];
const started = performance.now();
for await (const device of issueMany(deviceIds(count), { line, inventory, station: 'bench', orderedBy: 'bench' })) {
  done += device.certificateDer.length > 0 ? 1 : 0;
  if (done % 1000 !== 0) continue;
  most = Math.max(most, rssMiB());
  const milestone = milestones.get(done);
  if (milestone) rssAt[milestone] = Math.round(rssMiB());
}
const seconds = (performance.now() - started) / 1000;
await inventory.close();
const inventoryBytes = ['', '-wal'].reduce((sum, ending) => sum + sizeOf(`${path}${ending}`), 0);
for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true });
const run: LongRun = {
  devices: done,
  seconds: Number(seconds.toFixed(1)),
  ...rssAt,
  rssMostMiB: Math.round(most),
  inventoryBytes,
};
process.stdout.write(`${JSON.stringify(run)}\n`);

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
