import { join } from 'node:path';
import type { AgentBench } from './agent-bench.ts';
import { byAgent } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';
import type { Client, Device, Way } from './agent-way.ts';
import type { Measured } from './report.ts';

const warmUps = 5;

/** From nothing to the hub's acknowledgement of the first message, over DPS: devices that have just been switched on. */
export async function measureColdStart(bench: AgentBench, rounds: number): Promise<Measured[]> {
  bench.progress(`cold start: ${String(rounds)} rounds of 4 ways, taking turns`);
  const open = join(bench.folder, 'cold-open');
  const holder = await byAgent.coldStart(bench.device(), open);
  let folders = 0;
  const own = (): string => join(bench.folder, `cold-${String((folders += 1))}`);
  const cold = (way: Way, folder: () => string) => () => {
    const device = bench.device();
    const stateFolder = folder();
    return () => way.coldStart(device, stateFolder);
  };
  const rows = await takeTurns(rounds, {
    [bySockets.name]: cold(bySockets, own),
    [bySdk.name]: cold(bySdk, own),
    [byAgent.name]: cold(byAgent, own),
    [inOpenFolder]: cold(byAgent, () => open),
  });
  await holder.close();
  return rows;
}

/** Another agent of the process has the state folder open: the database is there already. */
export const inOpenFolder = `${byAgent.name}, folder already open`;

/** From a hub that is known from an earlier start to the acknowledgement of the first message. */
export async function measureWarmStart(bench: AgentBench, rounds: number): Promise<Measured[]> {
  bench.progress(`warm start: ${String(rounds)} rounds of 4 ways, taking turns`);
  const open = join(bench.folder, 'warm-open');
  const holder = await byAgent.coldStart(bench.device(), open);
  const again = async (way: Way, stateFolder: string) => {
    const device: Device = bench.device();
    const first = await way.coldStart(device, stateFolder);
    await first.close();
    return () => () => way.warmStart(device, stateFolder, first.hubName);
  };
  const own = join(bench.folder, 'warm');
  const rows = await takeTurns(rounds, {
    [bySockets.name]: await again(bySockets, own),
    [bySdk.name]: await again(bySdk, own),
    [byAgent.name]: await again(byAgent, own),
    [inOpenFolder]: await again(byAgent, open),
  });
  await holder.close();
  return rows;
}

/** Each way prepares a start, which is then timed. */
async function takeTurns(
  rounds: number,
  starts: Readonly<Record<string, () => () => Promise<Client>>>,
): Promise<Measured[]> {
  const rows = Object.entries(starts).map(([way, prepare]) => ({ way, prepare, milliseconds: [] as number[] }));
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const { prepare, milliseconds } of rows) {
      const start = prepare();
      const began = performance.now();
      const client = await start();
      const took = performance.now() - began;
      if (round >= 0) milliseconds.push(took);
      await client.close();
    }
  }
  return rows.map(({ way, milliseconds }) => ({ way, milliseconds }));
}
