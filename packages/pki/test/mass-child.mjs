// Issues devices in a process of its own, which mass-kill.test.ts kills in the middle of it.
import { createWriteStream } from 'node:fs';
import { open, readdir, readFile, rename } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { issueMany, loadAuthority } from '@contoso/pki';
import { openInventory, openPostgresInventory } from '@contoso/pki/inventory';

const { folder, location, count, password, withReceiver, threads, batchSize } = JSON.parse(process.argv[2]);

const line = await loadAuthority({ folder, name: 'line', password });
const inventory = await (location.startsWith('postgres:') ? openPostgresInventory : openInventory)(location);
const options = { line, inventory, station: 'station-1', orderedBy: 'order 4711', threads, batchSize };

function* source() {
  for (let index = 0; index < count; index += 1) yield `device-${index}`;
}

let hasHandedOut = false;
function sayHandedOut() {
  if (!hasHandedOut) process.stdout.write('handed out\n');
  hasHandedOut = true;
}

const lineOf = ({ registrationId, serialNumber }) => `${registrationId} ${serialNumber}\n`;

/** A file for each batch, there as a whole or not at all. */
const receiver = {
  async take(devices) {
    const target = join(folder, `${devices[0].serialNumber}.batch`);
    const file = await open(`${target}.tmp`, 'w');
    await file.writeFile(devices.map(lineOf).join(''));
    await file.sync();
    await file.close();
    await rename(`${target}.tmp`, target);
    sayHandedOut();
  },
  async has() {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.batch'));
    const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    return new Set(texts.flatMap((text) => text.trim().split('\n')).map((text) => text.split(' ')[1]));
  },
};

process.stdout.write('started\n');
if (withReceiver) {
  const run = issueMany(source(), { ...options, receiver });
  while (!(await run.next()).done);
} else {
  const output = createWriteStream(join(folder, 'devices.list'), { flags: 'a' });
  await once(output, 'open');
  for await (const device of issueMany(source(), options)) {
    // What the kernel has been given survives kill -9.
    await new Promise((resolve) => output.write(lineOf(device), resolve));
    sayHandedOut();
  }
}
await inventory.close();
process.stdout.write('done\n');
