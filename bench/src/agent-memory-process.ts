import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { byAgent } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';
import type { MemoryOrder, MemoryUse } from './agent-memory.ts';
import type { Client, Device, Way } from './agent-way.ts';

// Many devices of one way in a process of its own, started with --expose-gc.

const lanes = 8;
/** They live as long as the process. */
const clients: Client[] = [];

process.once('message', (order: MemoryOrder) => {
  const way = [bySockets, bySdk, byAgent].find(({ name }) => name === order.wayName);
  if (!way) throw new Error(`no way ${order.wayName}`);
  void measure(way, order).then((use) => process.send?.(use));
});

async function measure(way: Way, order: MemoryOrder): Promise<MemoryUse> {
  const { warmUps, count } = order;
  await connectUpTo(warmUps, way, order);
  const before = await settled();
  await connectUpTo(warmUps + count, way, order);
  const after = await settled();
  const each = (name: keyof MemoryUse): number => (after[name] - before[name]) / 1024 / count;
  return { resident: each('resident'), heap: each('heap'), outside: each('outside') };
}

async function connectUpTo(end: number, way: Way, { deviceFolder, stateFolder }: MemoryOrder): Promise<void> {
  let next = clients.length;
  const lane = async (): Promise<void> => {
    while (next < end) {
      const file = join(deviceFolder, String(next));
      next += 1;
      const client = await way.coldStart(JSON.parse(await readFile(file, 'utf8')) as Device, stateFolder);
      await client.listen();
      clients.push(client);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function settled(): Promise<MemoryUse> {
  for (let turn = 0; turn < 5; turn += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, heap: heapUsed, outside: external };
}
