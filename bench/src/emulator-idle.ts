import type { Fleet } from './emulator-fleet.ts';
import { startLoad } from './emulator-load.ts';
import { hubConnections, placeOf, provision } from './emulator-set-up.ts';
import { type HubReady, resourcesOf, type Server } from './emulator-servers.ts';

export interface IdleOptions {
  readonly emulator: Server & HubReady;
  readonly rivals: readonly Server[];
  readonly fleet: Fleet;
  readonly connections: number;
  readonly progress: (text: string) => void;
}

/** Resident memory of each server for a connection that says nothing, in KiB, after garbage collection. */
export async function measureIdle(options: IdleOptions): Promise<Map<string, number>> {
  const { emulator, rivals, fleet, connections, progress } = options;
  const [device] = await fleet.issueDevices(1);
  if (!device) throw new Error('no device');
  // One certificate for all of them: every connection presents and keeps it all the same, and issuing isn't measured.
  const devices = Array.from({ length: connections }, (_, index) => ({ ...device, deviceId: `idle-${String(index)}` }));
  await provision(emulator, devices);
  const results = new Map<string, number>();
  for (const server of [emulator, ...rivals]) {
    await server.ask({ do: 'collect' });
    const before = resourcesOf(server.pid).residentKiB;
    const load = startLoad();
    try {
      await load.run({ do: 'connect', place: placeOf(server), connections: hubConnections(emulator, devices) });
      await server.ask({ do: 'collect' });
      results.set(server.name, (resourcesOf(server.pid).residentKiB - before) / connections);
    } finally {
      await load.stop();
    }
    progress(`idle: ${String(connections)} connections to ${server.name}`);
  }
  return results;
}
