import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LongRun } from './pki-memory.ts';
import { findOtherWays } from './pki-others.ts';
import {
  createMaterial,
  makeRequests,
  massIssuing,
  massIssuingWithInventory,
  massRequestSigning,
  preparedRequestSigning,
  rawIssuing,
  rawIssuingInThreads,
  rawRequestSigning,
  type Way,
} from './pki-ways.ts';
import { quantile, round, type BenchOptions, type RateRow, type RateTable } from './report.ts';

const rounds = 4;
const run = promisify(execFile);

/** A way with how many certificates a round makes: enough that what happens once doesn't count. */
interface Contestant {
  name: string;
  count: number;
  way: Way;
}

/** Mass issuing against the raw limit, against itself on one core and without an inventory, and against what people use. */
export async function benchPki(progress: (text: string) => void, { million }: BenchOptions): Promise<RateTable> {
  const folder = await mkdtemp(join(tmpdir(), 'contoso-bench-'));
  try {
    const { ways, missing } = await findOtherWays(folder);
    progress(`mass issuing: ${rounds} rounds of all ways, taking turns`);
    const contestants = await createContestants(folder);
    const rates = await takeTurns([...contestants, ...ways]);
    progress('memory over a long run, in a process of its own');
    const long = await longRun(million ? 1_000_000 : 100_000, folder);
    if (million) await record(long);
    return {
      title: 'Device certificates, P-256, keys made at the station unless it says otherwise',
      rows: rates,
      figures: {
        ...ourFigures(rates),
        ...Object.fromEntries(ways.map(({ name, figure }) => [figure, ratio(rates, names.two, name)])),
        ...memoryFigures(long),
      },
      notes: missing,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const names = {
  raw: 'raw limit: key pair and signature, 1 core',
  rawTwo: 'raw limit, 2 threads',
  one: 'issueMany, 1 core',
  two: 'issueMany, 2 threads',
  inventory: 'issueMany, 2 threads, inventory',
  rawRequest: 'raw limit: verification and signature, 1 core',
  prepared: 'the same, key imported beforehand',
  request: 'issueMany of requests, 1 core',
} as const;

async function createContestants(folder: string): Promise<Contestant[]> {
  const material = await createMaterial();
  const { line } = material;
  const requests = await makeRequests(4000);
  return [
    { name: names.raw, count: 15_000, way: rawIssuing(material) },
    { name: names.one, count: 15_000, way: massIssuing({ line, threads: 0 }) },
    { name: names.rawTwo, count: 80_000, way: rawIssuingInThreads(material, 2) },
    // Threads take a moment to start and to warm up: a large order doesn't notice.
    { name: names.two, count: 120_000, way: massIssuing({ line, threads: 2 }) },
    {
      name: names.inventory,
      count: 60_000,
      way: massIssuingWithInventory({ line, threads: 2 }, join(folder, 'inventory.db')),
    },
    { name: names.rawRequest, count: 4000, way: rawRequestSigning(material) },
    { name: names.request, count: 4000, way: massRequestSigning({ line, threads: 0, allow: 'any' }, requests) },
    { name: names.prepared, count: 4000, way: preparedRequestSigning(material) },
  ];
}

/** What was measured of one way. */
interface Measured extends RateRow {
  readonly perSecond: number[];
  /** Processor time of all threads, in microseconds for each certificate; of this process only. */
  readonly cpuMicroseconds: number[];
}

/** One round of each after the other, so that whatever else the machine does meets all of them. */
async function takeTurns(contestants: readonly Contestant[]): Promise<Measured[]> {
  const rates: Measured[] = contestants.map(({ name }) => ({ way: name, perSecond: [], cpuMicroseconds: [] }));
  for (let turn = -1; turn < rounds; turn += 1) {
    for (const [index, { count, way }] of contestants.entries()) {
      const cpu = process.cpuUsage();
      const started = performance.now();
      await way(count);
      const seconds = (performance.now() - started) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      // The first round warms up.
      if (turn < 0) continue;
      rates[index]?.perSecond.push(count / seconds);
      rates[index]?.cpuMicroseconds.push((user + system) / count);
    }
  }
  return rates;
}

function ourFigures(rates: readonly Measured[]): Record<string, number> {
  return {
    issueVsRaw: ratio(rates, names.one, names.raw),
    csrVsRaw: ratio(rates, names.request, names.rawRequest),
    csrVsPreparedKey: ratio(rates, names.request, names.prepared),
    twoCoresVsOne: ratio(rates, names.two, names.one),
    rawTwoCoresVsOne: ratio(rates, names.rawTwo, names.raw),
    // What two cores give that have nothing else to do: twice the one's, less what the threads cost in processor time.
    twoFreeCoresVsOne: round((2 * cpuOf(rates, names.one)) / cpuOf(rates, names.two), 2),
    inventoryOnVsOff: ratio(rates, names.inventory, names.two),
    issuedPerSecond: Math.round(quantile(perSecond(rates, names.two), 0.5)),
  };
}

/** Resident memory, the most of it and after ten thousand devices, a hundred thousand and a million. */
function memoryFigures({ devices, seconds, rssMostMiB, inventoryBytes, ...rssAt }: LongRun): Record<string, number> {
  return {
    rssMiB: rssMostMiB,
    ...rssAt,
    longRunDevices: devices,
    longRunSeconds: seconds,
    longRunInventoryMiB: round(inventoryBytes / 2 ** 20, 0),
  };
}

function cpuOf(rates: readonly Measured[], name: string): number {
  return quantile(rates.find(({ way }) => way === name)?.cpuMicroseconds ?? [], 0.5);
}

/** The median over the rounds of one way's rate over the other's in the same round. */
function ratio(rates: readonly RateRow[], way: string, over: string): number {
  const others = perSecond(rates, over);
  return round(
    quantile(
      perSecond(rates, way).map((rate, index) => rate / (others[index] ?? NaN)),
      0.5,
    ),
    2,
  );
}

function perSecond(rates: readonly RateRow[], name: string): readonly number[] {
  return rates.find(({ way }) => way === name)?.perSecond ?? [];
}

async function longRun(devices: number, folder: string): Promise<LongRun> {
  const program = fileURLToPath(new URL('./pki-memory.js', import.meta.url));
  const { stdout } = await run(process.execPath, [program, String(devices), folder]);
  return JSON.parse(stdout) as LongRun;
}

async function record(long: LongRun): Promise<void> {
  const results = fileURLToPath(new URL('../results/', import.meta.url));
  await mkdir(results, { recursive: true });
  const machine = { node: process.version, cores: availableParallelism(), cpu: cpus()[0]?.model };
  const text = JSON.stringify({ recordedAt: new Date().toISOString(), machine, ...long }, undefined, 2);
  await writeFile(join(results, 'pki-million.json'), `${text}\n`);
}
