import { byAgent } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';
import type { MemoryOrder, MemoryUse } from './agent-memory.ts';
import type { Client, Device } from './agent-way.ts';

// Many devices of one way in a process of its own, started with --expose-gc.

/** So that all code is loaded and compiled before it counts. */
const warmUps = 50;
const lanes = 8;

process.once('message', ({ wayName, devices, stateFolder }: MemoryOrder) => {
  const way = [bySockets, bySdk, byAgent].find(({ name }) => name === wayName);
  if (!way) throw new Error(`no way ${wayName}`);
  const waiting = [...devices];
  const clients: Client[] = [];
  const connect = async (device: Device): Promise<void> => {
    const client = await way.coldStart(device, stateFolder);
    await client.listen();
    clients.push(client);
  };
  void measure(waiting, connect).then((use) => process.send?.(use));
});

async function measure(waiting: Device[], connect: (device: Device) => Promise<void>): Promise<MemoryUse> {
  const connectAll = async (devices: Device[]): Promise<void> => {
    const lane = async (): Promise<void> => {
      for (let device = devices.pop(); device; device = devices.pop()) await connect(device);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  };
  await connectAll(waiting.splice(0, warmUps));
  const before = await settled();
  const count = waiting.length;
  await connectAll(waiting);
  const after = await settled();
  const each = (name: keyof MemoryUse): number => (after[name] - before[name]) / 1024 / count;
  return { resident: each('resident'), heap: each('heap'), outside: each('outside') };
}

async function settled(): Promise<MemoryUse> {
  for (let turn = 0; turn < 5; turn += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, heap: heapUsed, outside: external };
}
