// Issues devices in a process of its own, which has nothing else in its memory, and prints what it took.
import { rmSync } from 'node:fs';
import process from 'node:process';
import { createLineAuthority, createRootAuthority, issueMany } from '@contoso/pki';
import { openInventory } from '@contoso/pki/inventory';

const { path, count } = JSON.parse(process.argv[2]);
const line = await createLineAuthority(await createRootAuthority({ commonName: 'Root' }), { lineName: 'Line 1' });
const inventory = await openInventory(path);

function* source() {
  for (let index = 0; index < count; index += 1) yield `device-${index}`;
}

let done = 0;
for await (const device of issueMany(source(), { line, inventory, orderedBy: 'order 4711', threads: 2 })) {
  done += device.privateKeyDer.length > 0 ? 1 : 0;
  if (done % 1000 !== 0) continue;
  const { rss, external } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ done, rssMiB: rss / 2 ** 20, externalMiB: external / 2 ** 20 })}\n`);
}
await inventory.close();
rmSync(path);
