import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentBench } from './agent-bench.ts';
import { byAgent, byAgentAtOnce } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import type { Client } from './agent-way.ts';
import type { Measured } from './report.ts';

/** From a connection's cut at the hub to the next acknowledged message, each client with its own retry policy. */
export async function measureRecovery(bench: AgentBench, rounds: number): Promise<Measured[]> {
  bench.progress(`recovery: ${String(rounds)} rounds of 3 ways, taking turns`);
  const rows = [];
  for (const way of [bySdk, byAgent, byAgentAtOnce]) {
    const device = bench.device();
    const client = await way.coldStart(device, join(bench.folder, 'recovery'));
    await client.listen();
    rows.push({ way: way.name, device, client, milliseconds: [] as number[] });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const { device, client, milliseconds } of rows) {
      const began = performance.now();
      await bench.cut(device.registrationId);
      await nextAcknowledged(client);
      milliseconds.push(performance.now() - began);
      // What the cut has left behind is over before the next.
      await pause(200);
    }
  }
  for (const { client } of rows) await client.close();
  return rows.map(({ way, milliseconds }) => ({ way, milliseconds }));
}

/** Sends a message every few milliseconds: what Microsoft's SDK takes while it doesn't yet know of the cut, it never acknowledges. */
async function nextAcknowledged(client: Client): Promise<void> {
  const done = new AbortController();
  const acknowledged = new Promise<void>((resolve) => {
    const send = async (): Promise<void> => {
      await client.send({ temperature: 21 });
      await client.acknowledged();
      resolve();
    };
    const sendOften = async (): Promise<void> => {
      while (!done.signal.aborted) {
        send().catch(() => undefined);
        await pause(10);
      }
    };
    void sendOften();
  });
  await acknowledged;
  done.abort();
}
