import { expect, it } from '@jest/globals';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDeviceBundle } from '../src/index.ts';
import { openInventory } from '../src/inventory/index.ts';
import { killCommand, resultOf, saveLine } from './command-runner.ts';
import { inTemporaryFolder, makeStation } from './fixtures.ts';
import { collect } from './inventory-engines.ts';
import { deviceIds, makeRequests } from './mass-source.ts';

/**
 * Where the runs are killed, one after the other. In each batch, after it was written down: its file is opened, put in place
 * with a link, and removed from where it was before (rm); that it is delivered is written down after that.
 */
const points = ['open:1', 'link:2', 'rm:1', 'rm:2'];
const ids = deviceIds(40).sort();
const many = ['many', 'order', '--line', 'line-1', '--batch-size', '5', '--threads', '2'];

interface Issued {
  registrationId: string;
  serialNumber: string;
}

/** Kills a run at each point, then lets one come to its end; `open` says whose certificates are in a file. */
async function killAndRunAgain(
  folder: string,
  args: readonly string[],
  open: (file: Buffer) => Promise<Issued[]>,
): Promise<void> {
  const opened = new Map<string, Issued[]>();
  const readFiles = async (): Promise<Issued[]> => {
    const names = (await readdir(join(folder, 'issued'))).filter((name) => !name.startsWith('.'));
    for (const name of names.filter((one) => !opened.has(one))) {
      opened.set(name, await open(await readFile(join(folder, 'issued', name))));
    }
    expect([...opened.keys()].sort()).toEqual(names.sort());
    return [...opened.values()].flat();
  };
  for (const point of points) {
    await killCommand(folder, point, args);
    const known = new Map((await readInventory(folder)).map(({ serialNumber, state }) => [serialNumber, state]));
    for (const { serialNumber } of await readFiles()) {
      // All that has got out is in the inventory, and is not given up.
      expect(known.get(serialNumber)).toMatch(/^(issued|delivered)$/);
    }
  }
  await resultOf(folder, ...args);
  const written = await readFiles();
  expect(written.map(({ registrationId }) => registrationId).sort()).toEqual(ids);
  const records = await readInventory(folder);
  const inUse = records.filter(({ state }) => state === 'delivered').map(({ serialNumber }) => serialNumber);
  expect(inUse.sort()).toEqual(written.map(({ serialNumber }) => serialNumber).sort());
  const others = records.filter(({ state }) => state !== 'delivered');
  expect(others.length).toBeGreaterThan(0);
  expect(others.every(({ state }) => state === 'abandoned')).toBe(true);
  expect(await readdir(join(folder, 'issued'))).not.toContain('.contoso-pki-staging');
}

async function readInventory(folder: string) {
  const inventory = await openInventory(join(folder, 'pki/inventory.db'));
  const records = await collect(inventory.find());
  expect((await inventory.verifyAudit()).problems).toEqual([]);
  await inventory.close();
  return records;
}

it(
  'contoso-pki many, killed again and again: bundles',
  () =>
    inTemporaryFolder(async (folder) => {
      const [line, station] = [await saveLine(folder), await makeStation()];
      await writeFile(join(folder, 'order'), ids.join('\n'));
      await writeFile(join(folder, 'station.pem'), station.certificatePem);
      const open = (bundle: Buffer) => openDeviceBundle({ bundle, ...station, trustedRootsPem: line.chainPem });
      await killAndRunAgain(folder, [...many, '--recipient', 'station.pem'], open);
    }),
  60_000,
);

it(
  'contoso-pki many, killed again and again: requests',
  () =>
    inTemporaryFolder(async (folder) => {
      await saveLine(folder);
      await writeFile(join(folder, 'order'), (await makeRequests(ids)).map(({ csr }) => String(csr)).join(''));
      const linesOf = (file: Buffer): string[] => file.toString().trimEnd().split('\n');
      await killAndRunAgain(folder, [...many, '--requests', '--allow-any'], (file) =>
        Promise.resolve(linesOf(file).map((line) => JSON.parse(line) as Issued)),
      );
    }),
  60_000,
);
