import { join } from 'node:path';
import type { AgentBench } from './agent-bench.ts';
import { byAgent } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';
import type { Client, Way } from './agent-way.ts';
import type { RateRow } from './report.ts';

export interface TelemetryLoad {
  readonly rounds: number;
  readonly devices: number;
  /** Of each device, unacknowledged at a time (with the agent: not yet on disk; what it has on its way it decides itself). */
  readonly inFlight: number;
  /** Of each device in a round. */
  readonly messages: number;
}

/** Acknowledged messages a second: the agent's go through its outbox, with fsync; the others keep nothing. */
export async function measureTelemetryRate(bench: AgentBench, load: TelemetryLoad): Promise<RateRow[]> {
  const { devices, inFlight, rounds } = load;
  bench.progress(`telemetry: ${String(devices)} devices, ${String(inFlight)} in flight each`);
  const rows: (RateRow & { perSecond: number[]; clients: Client[] })[] = [];
  for (const way of [bySockets, bySdk, byAgent]) {
    rows.push({ way: way.name, perSecond: [], clients: await connectAll(bench, way, devices) });
  }
  for (let round = -1; round < rounds; round += 1) {
    for (const { perSecond, clients } of rows) {
      const began = performance.now();
      await Promise.all(clients.map((client) => sendAll(client, load)));
      const seconds = (performance.now() - began) / 1_000;
      if (round >= 0) perSecond.push((devices * load.messages) / seconds);
    }
  }
  await Promise.all(rows.flatMap(({ clients }) => clients.map((client) => client.close())));
  return rows.map(({ way, perSecond }) => ({ way, perSecond }));
}

async function connectAll(bench: AgentBench, way: Way, devices: number): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < devices) {
    clients.push(await way.coldStart(bench.device(), join(bench.folder, `telemetry-${String(devices)}`)));
  }
  return clients;
}

async function sendAll(client: Client, { messages, inFlight }: TelemetryLoad): Promise<void> {
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < messages) {
      sent += 1;
      await client.send({ number: sent, temperature: 21.5, humidity: 0.4 });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await client.acknowledged();
}
