import type { Fault } from './azure-orders.ts';
import { EmulatorGone, type AzureUnderChaos } from './azure-under-chaos.ts';
import type { DeviceUnderChaos } from './device-under-chaos.ts';
import type { StateDisk } from './state-disk.ts';

/** What the director plays with. */
export interface Stage {
  readonly azure: AzureUnderChaos;
  readonly devices: readonly DeviceUnderChaos[];
  readonly disk: StateDisk;
  readonly random: () => number;
  /** Resolves after so many real milliseconds. */
  readonly pause: (milliseconds: number) => Promise<void>;
}

/** Something that goes wrong, and is over when it resolves. */
type Calamity = (stage: Stage) => Promise<void>;

/** For a while, everything at once, by the emulator's own faults. */
const forAWhile =
  (fromMs: number, toMs: number, ...faults: readonly Fault[]): Calamity =>
  async ({ azure, random, pause }) => {
    const seed = Math.floor(random() * 2 ** 31);
    for (const fault of faults) await azure.ask({ do: 'fault', fault: 'share' in fault ? { ...fault, seed } : fault });
    await pause(fromMs + random() * (toMs - fromMs));
    await azure.ask({ do: 'clear' });
  };

const calamities: Readonly<Record<string, Calamity>> = {
  'connections cut': forAWhile(50, 200, { kind: 'drop', share: 0.5 }),
  freeze: forAWhile(500, 3_000, { kind: 'freeze', share: 0.7 }),
  'half-open': forAWhile(500, 2_000, { kind: 'halfOpen', share: 0.5 }),
  'black hole': forAWhile(500, 3_000, { kind: 'blackHole', share: 0.7 }),
  'acknowledgements lost': forAWhile(500, 1_000, {
    kind: 'messageLost',
    message: 'telemetry',
    loss: 'acknowledgement',
    share: 0.2,
  }),
  '429 storm': async (stage) => {
    await stage.azure.ask({ do: 'fault', fault: { kind: 'throttle', retryAfterSeconds: 2 } });
    await forAWhile(1_000, 3_000, { kind: 'drop', share: 0.5, times: 5 })(stage);
  },
  'hub failover': forAWhile(1_000, 3_000, { kind: 'failover' }),
  'DPS outage': forAWhile(1_000, 4_000, { kind: 'dpsDown' }, { kind: 'drop', share: 0.3, times: 5 }),
  'region away': forAWhile(2_000, 5_000, { kind: 'hubDown' }, { kind: 'dpsDown' }),
  'disk full': async ({ disk, random, pause }) => {
    disk.fill();
    await pause(500 + random() * 1_500);
    disk.free();
  },
};

/** What is killed, again and again, whatever else goes wrong meanwhile; with the real milliseconds in between. */
export const kills: Readonly<Record<string, { readonly everyMs: readonly [number, number]; readonly kill: Calamity }>> =
  {
    'agents killed': {
      everyMs: [1_500, 4_000],
      kill: async ({ devices, random }) => {
        const first = Math.floor(random() * devices.length);
        const victims = devices.filter((_, index) => index === first || random() < 0.1);
        await Promise.all(victims.map((device) => device.crash()));
      },
    },
    'emulator killed': { everyMs: [3_000, 7_000], kill: ({ azure }) => azure.crash() },
  };

/** The kinds that can be played here, one after the other. */
export function playable(disk: StateDisk): readonly string[] {
  return Object.keys(calamities).filter((name) => name !== 'disk full' || disk.canFill);
}

/** Plays one kind. An emulator that is killed meanwhile has forgotten its faults, and that is the end of it. */
export async function play(name: string, stage: Stage): Promise<void> {
  try {
    await calamities[name]?.(stage);
  } catch (error) {
    if (!(error instanceof EmulatorGone)) throw error;
  }
}
