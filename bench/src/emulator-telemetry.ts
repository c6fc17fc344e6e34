import { startLoad, type Load, type LoadRun } from './emulator-load.ts';
import { hubName, hubConnections, placeOf, provision } from './emulator-set-up.ts';
import { resourcesOf, type HubReady, type Server } from './emulator-servers.ts';
import type { Fleet } from './emulator-fleet.ts';

export interface TelemetryOptions {
  readonly emulator: Server & HubReady;
  readonly rivals: readonly Server[];
  readonly fleet: Fleet;
  readonly connections: number;
  readonly messages: number;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}

/** One round at one server: acknowledged messages a second, and the shares of a core that both sides used. */
export interface TelemetryRound {
  readonly perSecond: number;
  readonly loadCore: number;
  readonly serverCore: number;
}

export interface TelemetryRounds {
  readonly server: string;
  readonly inFlight: number;
  readonly rounds: TelemetryRound[];
}

/** Acknowledged QoS 1 telemetry; the servers take turns, so that what else the machine does hits all of them. */
export async function measureTelemetry(options: TelemetryOptions): Promise<TelemetryRounds[]> {
  const { emulator, rivals, fleet, connections, progress } = options;
  const devices = await fleet.issueDevices(connections);
  await provision(emulator, devices);
  const credentials = hubConnections(emulator, devices);
  const loads = new Map<Server, Load>();
  try {
    for (const server of [emulator, ...rivals]) {
      const load = startLoad();
      loads.set(server, load);
      await load.run({ do: 'connect', place: placeOf(server), connections: credentials });
      progress(`telemetry: ${connections} connections to ${server.name}`);
    }
    return await takeTurns(loads, options);
  } finally {
    await Promise.all([...loads.values()].map((load) => load.stop()));
  }
}

async function takeTurns(loads: ReadonlyMap<Server, Load>, options: TelemetryOptions): Promise<TelemetryRounds[]> {
  const { rounds, progress } = options;
  const measured = new Map<string, TelemetryRounds>();
  let first = 0;
  for (let round = -1; round < rounds; round += 1) {
    for (const inFlight of [1, 10]) {
      for (const [server, load] of loads) {
        const result = await oneRound(server, load, { ...options, first, inFlight });
        if (round < 0) continue;
        const key = `${server.name} ${inFlight}`;
        const entry = measured.get(key) ?? { server: server.name, inFlight, rounds: [] };
        measured.set(key, entry);
        entry.rounds.push(result);
      }
      first += options.messages;
    }
    progress(round < 0 ? 'telemetry: warm' : `telemetry: round ${round + 1} of ${rounds}`);
  }
  return [...measured.values()];
}

interface RoundOptions {
  readonly first: number;
  readonly messages: number;
  readonly inFlight: number;
  readonly connections: number;
}

async function oneRound(server: Server, load: Load, options: RoundOptions): Promise<TelemetryRound> {
  const { first, messages, inFlight, connections } = options;
  const before = resourcesOf(server.pid).cpuMs;
  const { ms, cpuMs }: LoadRun = await load.run({ do: 'send', first, messages, inFlight });
  const serverMs = resourcesOf(server.pid).cpuMs - before;
  const total = connections * messages;
  if (server.name === 'emulator') await checkKept(server, first, total);
  return { perSecond: (total / ms) * 1000, loadCore: cpuMs / ms, serverCore: serverMs / ms };
}

/** Outside of the time that is measured. */
async function checkKept(emulator: Server, first: number, total: number): Promise<void> {
  const { read = 0, wrong = 0 } = await emulator.ask({ do: 'read', hub: hubName, first });
  if (read !== total || wrong > 0) {
    throw new Error(`the hub has ${read} of ${total} acknowledged messages, ${wrong} of them wrong`);
  }
}
