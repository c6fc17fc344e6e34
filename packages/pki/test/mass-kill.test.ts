import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveAuthority } from '../src/index.ts';
import { inTemporaryFolder, password } from './fixtures.ts';
import { collect, describeOnBothEngines, type InventoryPlace } from './inventory-engines.ts';
import { createLine } from './mass-source.ts';

const child = fileURLToPath(new URL('mass-child.mjs', import.meta.url));
const count = 6000;
const kills = 6;

interface Handed {
  registrationId: string;
  serialNumber: string;
}

/** Some time after the child has said a word: `started`, before it issues; `handed out`, when it has begun to. */
interface Kill {
  word: string;
  afterMs: number;
}

/** Runs the child, and kills it or lets it come to its end. */
async function runChild(settings: object, kill?: Kill): Promise<string> {
  const { NODE_OPTIONS: _jests, ...env } = process.env;
  const running = spawn(process.execPath, [child, JSON.stringify(settings)], { env });
  let output = '';
  running.stderr.on('data', (text: Buffer) => (output += text.toString()));
  running.stdout.on('data', (text: Buffer) => {
    const isAwaited = kill !== undefined && !output.includes(kill.word);
    output += text.toString();
    if (isAwaited && output.includes(kill.word)) setTimeout(() => running.kill('SIGKILL'), kill.afterMs);
  });
  await once(running, 'close');
  return output;
}

async function readHanded(folder: string): Promise<Handed[]> {
  const names = (await readdir(folder)).filter((name) => /\.(batch|list)$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  // A last line without its end was being written when the process was killed.
  const lines = texts.flatMap((text) => text.split('\n').slice(0, -1));
  return lines.map((line) => {
    const [registrationId = '', serialNumber = ''] = line.split(' ');
    return { registrationId, serialNumber };
  });
}

async function readStates(place: InventoryPlace): Promise<Map<string, { registrationId: string; state: string }>> {
  const inventory = await place.open();
  const records = await collect(inventory.find());
  const { problems } = await inventory.verifyAudit();
  await inventory.close();
  expect(problems).toEqual([]);
  const states = new Map(
    records.map(({ serialNumber, registrationId, state }) => [serialNumber, { registrationId, state }]),
  );
  expect(states.size).toBe(records.length);
  return states;
}

describeOnBothEngines('kill -9 at random moments, and run again', (createPlace) => {
  it.each([
    ['receiver', true],
    ['iteration', false],
  ])(
    'no device twice, no serial number twice, none lost; %s',
    async (_name, withReceiver) => {
      await inTemporaryFolder(async (folder) => {
        const place = await createPlace();
        await saveAuthority(await createLine(), { folder, name: 'line', password });
        const settings = {
          folder,
          location: place.location,
          count,
          password,
          withReceiver,
          threads: 2,
          batchSize: 100,
        };
        let interrupted = 0;
        for (let round = 0; round < kills; round += 1) {
          // Every second one in the midst of it, however fast the machine is.
          const kill =
            round % 2 === 0
              ? { word: 'handed out', afterMs: randomInt(50) }
              : { word: 'started', afterMs: randomInt(350) };
          const output = await runChild(settings, kill);
          if (!output.includes('done')) interrupted += 1;
          const states = await readStates(place);
          for (const { serialNumber, registrationId } of await readHanded(folder)) {
            expect(states.get(serialNumber)).toMatchObject({ registrationId });
          }
        }
        expect(interrupted).toBeGreaterThan(1);
        expect(await runChild(settings)).toMatch(/^started\n(handed out\n)?done\n$/);
        await checkEnd(await readHanded(folder), await readStates(place), withReceiver);
      });
    },
    120_000,
  );
});

async function checkEnd(
  handed: readonly Handed[],
  states: ReadonlyMap<string, { registrationId: string; state: string }>,
  once: boolean,
): Promise<void> {
  const all = Array.from({ length: count }, (_, index) => `device-${index}`).sort();
  const delivered = [...states].filter(([, { state }]) => state === 'delivered');
  // Each device has one certificate in use, and whatever else was issued for it is abandoned.
  expect(delivered.map(([, { registrationId }]) => registrationId).sort()).toEqual(all);
  expect([...states.values()].every(({ state }) => state === 'delivered' || state === 'abandoned')).toBe(true);
  // The last that was handed out for a device is the one in use.
  const last = new Map(handed.map(({ registrationId, serialNumber }) => [registrationId, serialNumber]));
  expect([...last.values()].sort()).toEqual(delivered.map(([serialNumber]) => serialNumber).sort());
  const serials = handed.map(({ serialNumber }) => serialNumber);
  expect(new Set(serials).size).toBe(serials.length);
  // A receiver that can say what it has gets no device twice.
  if (once) expect(handed).toHaveLength(count);
}
