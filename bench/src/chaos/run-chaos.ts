import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';
import { seededRandom } from '../seeded-random.ts';
import { AzureUnderChaos } from './azure-under-chaos.ts';
import { BackOffice } from './back-office.ts';
import { judge, type ChaosReport } from './chaos-report.ts';
import { chaosSeed } from './chaos-seed.ts';
import { DeviceUnderChaos } from './device-under-chaos.ts';
import { kills, play, playable, type Stage } from './faults.ts';
import { StateDisk } from './state-disk.ts';

export interface ChaosOptions {
  readonly agents: number;
  /** Real seconds in which things go wrong. */
  readonly seconds: number;
  /** How many times faster time goes by for the agents. */
  readonly speed: number;
  readonly seed: number;
  readonly progress: (text: string) => void;
}

/** An agent's database keeps a log and a reserve of about 1 MiB each beside what it holds. */
const megabytesForAgent = 3;

/** How long everything may take to come to rest when nothing goes wrong any more, in real milliseconds. */
const restMs = 120_000;

/** Devices, an emulator, and everything that goes wrong between them; then the books are compared. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  const disk = new StateDisk(join(folder, 'state'), options.agents * megabytesForAgent);
  const devices: DeviceUnderChaos[] = [];
  const azures: AzureUnderChaos[] = [];
  try {
    const azure = await setUp(options, { folder, disk, devices, azures });
    const office = new BackOffice(azure, devices, seededRandom(options.seed + 1));
    const stage: Stage = { azure, devices, disk, random: seededRandom(options.seed), pause };
    await until(() => devices.every(({ connections }) => connections > 0), 'every device is connected once');
    const faults = await misbehave(stage, office, options);
    const isAtRest = await comeToRest(stage, office, options);
    return await judge({ options, stage, office, faults, isAtRest, skipped: disk.canFill ? [] : ['disk full'] });
  } finally {
    await Promise.all(devices.map((device) => device.stop()));
    await Promise.all(azures.map((azure) => azure.close()));
    disk.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Place {
  readonly folder: string;
  readonly disk: StateDisk;
  /** Get what has to be closed, whatever happens. */
  readonly devices: DeviceUnderChaos[];
  readonly azures: AzureUnderChaos[];
}

async function setUp(options: ChaosOptions, { folder, disk, devices, azures }: Place): Promise<AzureUnderChaos> {
  const root = await createRootAuthority({ commonName: 'Chaos Root CA' });
  const line = await createLineAuthority(root, { lineName: 'line-1' });
  const seed = chaosSeed({ rootPem: root.certificatePem, linePem: line.certificatePem });
  const azure = new AzureUnderChaos(join(folder, 'azure'), seed);
  azures.push(azure);
  const { idScope, endpoint, trustedRootsPem } = await azure.start();
  const journalFolder = join(folder, 'journals');
  await mkdir(journalFolder);
  const beganMs = Date.now();
  for (let index = 1; index <= options.agents; index += 1) {
    const registrationId = `device-${index}`;
    const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId });
    const device = new DeviceUnderChaos(
      {
        ...{ registrationId, chainPem, privateKeyPem, trustedRootsPem, connectTo: { idScope, endpoint } },
        // A folder is one process's.
        stateFolder: join(disk.folder, registrationId),
        journalFolder,
        speed: options.speed,
        beganMs,
        intervalMs: 100,
        fleet: { size: options.agents },
      },
      disk,
    );
    devices.push(device);
    device.start();
  }
  return azure;
}

/** Faults one after the other, and kills all the time, while the back office goes on with its work. */
async function misbehave(stage: Stage, office: BackOffice, options: ChaosOptions): Promise<Record<string, number>> {
  const { seconds, seed, progress } = options;
  const counts: Record<string, number> = {};
  const count = (kind: string): void => {
    progress(kind);
    counts[kind] = (counts[kind] ?? 0) + 1;
  };
  const endMs = Date.now() + seconds * 1_000;
  const isOpen = (): boolean => Date.now() < endMs;
  const killing = Object.keys(kills).map((kind, index) =>
    // Each track draws from a sequence of its own, so that it plays the same whenever the others get their turn.
    killAgain(kind, { ...stage, random: seededRandom(seed + 2 + index) }, { isOpen, count }),
  );
  await Promise.all([office.work(isOpen), oneAfterTheOther(stage, { isOpen, count }), ...killing]);
  return counts;
}

interface Track {
  readonly isOpen: () => boolean;
  readonly count: (kind: string) => void;
}

async function oneAfterTheOther(stage: Stage, { isOpen, count }: Track): Promise<void> {
  let turn: string[] = [];
  while (isOpen()) {
    // Each kind once before any comes again.
    if (turn.length === 0) turn = shuffled(playable(stage.disk), stage.random);
    const kind = turn.pop() ?? '';
    count(kind);
    await play(kind, stage);
    await pause(300 + stage.random() * 1_500);
  }
}

async function killAgain(kind: string, stage: Stage, { isOpen, count }: Track): Promise<void> {
  const { everyMs: [least, most] = [0, 0], kill } = kills[kind] ?? {};
  for (;;) {
    await pause(least + stage.random() * (most - least));
    if (!isOpen()) return;
    count(kind);
    await kill?.(stage);
  }
}

function shuffled(kinds: readonly string[], random: () => number): string[] {
  return kinds
    .map((kind) => ({ kind, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ kind }) => kind);
}

/** Nothing goes wrong any more: everything has to arrive, in whatever time it takes. */
async function comeToRest({ azure, devices }: Stage, office: BackOffice, { progress }: ChaosOptions): Promise<boolean> {
  progress('coming to rest');
  const endMs = Date.now() + restMs;
  while (Date.now() < endMs) {
    for (const device of devices) device.order('finish');
    await pause(500);
    await azure.collect();
    if (devices.every(({ isFlushed }) => isFlushed) && (await office.isDone())) return true;
  }
  return false;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + restMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`Not within ${restMs / 1_000} s: ${what}`);
    await pause(50);
  }
}
