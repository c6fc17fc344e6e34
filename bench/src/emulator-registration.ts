import type { Fleet } from './emulator-fleet.ts';
import { startLoad, type Load } from './emulator-load.ts';
import { hubConnections, placeOf, registrationsOf } from './emulator-set-up.ts';
import type { HubReady, Server } from './emulator-servers.ts';

export interface RegistrationOptions {
  readonly emulator: Server & HubReady;
  /** Node's TLS server with client certificates. */
  readonly bare: Server;
  readonly fleet: Fleet;
  readonly idScope: string;
  readonly devices: number;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}

/** A second, by what was done; one number a round. */
export interface RegistrationRates {
  readonly handshakes: number[];
  readonly registrations: number[];
  readonly reconnects: number[];
}

const lanes = 16;

/** Devices that DPS has never seen, against mutual-TLS handshakes alone, in turns. */
export async function measureRegistration(options: RegistrationOptions): Promise<RegistrationRates> {
  const { rounds, devices, fleet, progress } = options;
  const rates: RegistrationRates = { handshakes: [], registrations: [], reconnects: [] };
  const load = startLoad();
  try {
    for (let round = -1; round < rounds; round += 1) {
      const batch = await fleet.issueDevices(devices);
      const result = await oneRound(load, options, batch);
      if (round < 0) continue;
      for (const name of ['handshakes', 'registrations', 'reconnects'] as const) rates[name].push(result[name]);
      progress(`registration: round ${String(round + 1)} of ${String(rounds)}`);
    }
  } finally {
    await load.stop();
  }
  return rates;
}

async function oneRound(
  load: Load,
  { emulator, bare, idScope }: RegistrationOptions,
  batch: Awaited<ReturnType<Fleet['issueDevices']>>,
): Promise<Record<keyof RegistrationRates, number>> {
  const connections = hubConnections(emulator, batch);
  const rate = ({ ms }: { readonly ms: number }): number => (batch.length / ms) * 1000;
  const handshakes = rate(await load.run({ do: 'handshake', place: placeOf(bare), connections, lanes }));
  const registrations = rate(
    await load.run({
      do: 'register',
      place: placeOf(emulator),
      registrations: registrationsOf(idScope, batch),
      lanes,
    }),
  );
  const reconnects = rate(await load.run({ do: 'reconnect', place: placeOf(emulator), connections, lanes }));
  return { handshakes, registrations, reconnects };
}
