import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentBench } from './agent-bench.ts';
import { byAgent } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';

/** What the process of one way is told. */
export interface MemoryOrder {
  readonly wayName: string;
  /** A file of JSON for each device, by number, so that whoever keeps a credential is charged for it. */
  readonly deviceFolder: string;
  readonly count: number;
  /** Connected before, so that all code is loaded and compiled before it counts. */
  readonly warmUps: number;
  readonly stateFolder: string;
}

/** What one more device takes, in KiB: of the process, of V8's heap, and of what the heap's objects hold outside of it. */
export interface MemoryUse {
  readonly resident: number;
  readonly heap: number;
  readonly outside: number;
}

const warmUps = 50;

/** Connected by way of DPS, one message sent, following twin, methods and messages from the cloud; after garbage collection. */
export async function measureMemory(bench: AgentBench, count: number): Promise<Map<string, MemoryUse>> {
  const deviceFolder = join(bench.folder, 'devices');
  await mkdir(deviceFolder);
  for (let number = 0; number < count + warmUps; number += 1) {
    await writeFile(join(deviceFolder, String(number)), JSON.stringify(bench.device()), { mode: 0o600 });
  }
  const results = new Map<string, MemoryUse>();
  for (const { name } of [bySockets, bySdk, byAgent]) {
    bench.progress(`memory: ${String(count)} devices, ${name}`);
    const script = fileURLToPath(new URL('./agent-memory-process.js', import.meta.url));
    const child = fork(script, [], { execArgv: ['--expose-gc'] });
    const exited = once(child, 'exit');
    const ended = exited.then(() => {
      throw new Error(`The process of ${name} ended; what it said stands above.`);
    });
    ended.catch(() => undefined);
    const stateFolder = join(bench.folder, 'memory');
    child.send({ wayName: name, deviceFolder, count, warmUps, stateFolder } satisfies MemoryOrder);
    const [use] = (await Promise.race([once(child, 'message'), ended])) as [MemoryUse];
    results.set(name, use);
    child.kill();
    await exited;
  }
  return results;
}
