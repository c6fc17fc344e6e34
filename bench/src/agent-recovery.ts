import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentBench } from './agent-bench.ts';
import { byAgent, byAgentAtOnce } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import type { Client } from './agent-way.ts';
import type { Measured } from './report.ts';

/**
 * From a connection's cut at the hub to the next acknowledged message, each client by its own retry policy. Each round has a
 * client of its own: our agent waits longer from cut to cut while a connection doesn't last.
 */
export async function measureRecovery(bench: AgentBench, rounds: number): Promise<Measured[]> {
  bench.progress(`recovery: ${String(rounds)} rounds of 3 ways, taking turns`);
  const stateFolder = join(bench.folder, 'recovery');
  const rows = [bySdk, byAgent, byAgentAtOnce].map((way) => ({
    way,
    device: bench.device(),
    milliseconds: [] as number[],
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { way, device, milliseconds } of rows) {
      const client = await way.coldStart(device, stateFolder);
      await client.listen();
      const began = performance.now();
      await bench.cut(device.registrationId);
      await nextAcknowledged(client);
      milliseconds.push(performance.now() - began);
      await client.close();
    }
  }
  return rows.map(({ way, milliseconds }) => ({ way: way.name, milliseconds }));
}

/** Sends a message every few milliseconds: one that is lost with the connection must not decide. */
async function nextAcknowledged(client: Client): Promise<void> {
  const done = new AbortController();
  await new Promise<void>((resolve) => {
    const send = async (): Promise<void> => {
      await client.send({ temperature: 21 });
      await client.acknowledged();
      done.abort();
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
}
