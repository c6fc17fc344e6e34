import type { Fleet } from './emulator-fleet.ts';
import { startLoad } from './emulator-load.ts';
import { hubConnections, placeOf, provision } from './emulator-set-up.ts';
import type { HubReady, Server } from './emulator-servers.ts';

const connections = 100;
const batches = 10;

/** MiB of heap and buffers, after garbage collection, that the emulator has more at the end than after a tenth. */
export async function measureGrowth(
  messages: number,
  {
    emulator,
    fleet,
    progress,
  }: {
    readonly emulator: Server & HubReady;
    readonly fleet: Fleet;
    readonly progress: (text: string) => void;
  },
): Promise<number> {
  const devices = await fleet.issueDevices(connections);
  await provision(emulator, devices);
  const load = startLoad();
  const each = Math.ceil(messages / connections / batches);
  let afterFirst = NaN;
  let last = NaN;
  try {
    await load.run({ do: 'connect', place: placeOf(emulator), connections: hubConnections(emulator, devices) });
    for (let batch = 0; batch < batches; batch += 1) {
      // Packet identifiers are 16 bits wide.
      for (let sent = 0; sent < each; sent += 1000) {
        await load.run({ do: 'send', first: 0, messages: Math.min(1000, each - sent), inFlight: 10 });
      }
      last = (await emulator.ask({ do: 'collect' }))['heapMiB'] ?? NaN;
      if (batch === 0) afterFirst = last;
    }
    progress(`growth: ${String(messages)} messages`);
  } finally {
    await load.stop();
  }
  return last - afterFirst;
}
