import { measureGrowth } from './emulator-growth.ts';
import { createFleet, type Fleet } from './emulator-fleet.ts';
import { measureIdle } from './emulator-idle.ts';
import { measureRegistration } from './emulator-registration.ts';
import { type HubReady, type Server, startEmulator, startRivals } from './emulator-servers.ts';
import { setUpAzure } from './emulator-set-up.ts';
import { measureStart } from './emulator-start.ts';
import { measureTelemetry, type TelemetryRounds } from './emulator-telemetry.ts';
import { median, round, type Sheet } from './report.ts';

/** How much is measured: enough for a look, or what the README's table was made with. */
const sizes = {
  short: { connections: 500, messages: 40, rounds: 5, devices: 100, idle: 2000, growth: 200_000, starts: 5 },
  full: { connections: 500, messages: 60, rounds: 9, devices: 200, idle: 10_000, growth: 1_000_000, starts: 9 },
};

type Size = (typeof sizes)['short'];

interface Subjects {
  readonly emulator: Server & HubReady;
  readonly rivals: readonly Server[];
  readonly fleet: Fleet;
  readonly idScope: string;
  readonly progress: (text: string) => void;
}

/** The emulator as a server: telemetry, registrations, idle connections, start, memory; all ways in one run. */
export async function benchEmulator(
  progress: (text: string) => void,
  { full }: { readonly full: boolean },
): Promise<Sheet> {
  const size: Size = full ? sizes.full : sizes.short;
  const fleet = await createFleet();
  const emulator = await startEmulator();
  const idScope = await setUpAzure(emulator, fleet);
  const { servers: rivals, skipped } = await startRivals(fleet.rootPem);
  try {
    return await measureAll({ emulator, rivals, fleet, idScope, progress }, { size, skipped });
  } finally {
    await Promise.all([emulator, ...rivals].map((server) => server.stop()));
  }
}

async function measureAll(
  subjects: Subjects,
  { size, skipped }: { readonly size: Size; readonly skipped: readonly string[] },
): Promise<Sheet> {
  const bare = subjects.rivals.find(({ name }) => name === 'bare');
  if (!bare) throw new Error('no bare server');
  // First: processes that have worked hold memory that would hide what a connection takes.
  const idle = await measureIdle({ ...subjects, connections: size.idle });
  const telemetry = await measureTelemetry({ ...subjects, ...size });
  const registration = await measureRegistration({ ...subjects, ...size, bare });
  const growth = await measureGrowth(size.growth, subjects);
  const starts = await measureStart(size.starts);
  const perSecond = (values: readonly number[]): string => `${String(round(median(values), 0))} /s`;
  return {
    title: 'The emulator as a server (mutual TLS on loopback; all servers in this run, taking turns)',
    skipped,
    sections: [
      telemetrySection(telemetry, size),
      {
        title: `Registrations of ${String(size.devices)} new devices a round, 16 at a time`,
        columns: ['way', 'median'],
        rows: [
          ['mutual-TLS handshakes, Node alone', perSecond(registration.handshakes)],
          ['DPS registrations', perSecond(registration.registrations)],
          ['hub reconnects, a full handshake each', perSecond(registration.reconnects)],
        ],
      },
      {
        title: `${String(size.idle)} idle connections: resident memory for each`,
        columns: ['server', 'KiB'],
        rows: [...idle].map(([name, kib]) => [name, String(round(kib, 1))]),
      },
      {
        title: `Memory after ${String(size.growth)} messages; time to ready`,
        columns: ['what', 'value'],
        rows: [
          ['heap and buffers grown since the log was full, MiB', String(round(growth, 1))],
          ['command to ready line, ms', String(round(median(starts), 0))],
        ],
      },
    ],
    values: {
      ...telemetryRatios(telemetry),
      registrationVsHandshake: round(median(registration.registrations) / median(registration.handshakes), 2),
      reconnectsPerSecond: round(median(registration.reconnects), 0),
      idleKiB: round(idle.get('emulator') ?? NaN, 1),
      idleVsAedes: round((idle.get('emulator') ?? NaN) / (idle.get('aedes') ?? NaN), 2),
      ...(idle.has('mosquitto') && {
        idleVsMosquitto: round((idle.get('emulator') ?? NaN) / (idle.get('mosquitto') ?? NaN), 2),
      }),
      readyMs: round(median(starts), 0),
      growthMiB: round(growth, 1),
    },
  };
}

function telemetrySection(telemetry: readonly TelemetryRounds[], { connections, messages }: Size) {
  return {
    title: `Acknowledged QoS 1 telemetry, ${String(connections)} connections, ${String(messages)} messages each a round`,
    columns: ['server, in flight', 'messages/s', 'server µs', 'server core', 'load core'],
    rows: telemetry.map(({ server, inFlight, rounds }) => [
      `${server}, ${String(inFlight)}`,
      String(round(median(rounds.map(({ perSecond }) => perSecond)), 0)),
      String(round(costOf(rounds), 1)),
      String(round(median(rounds.map(({ serverCore }) => serverCore)), 2)),
      String(round(median(rounds.map(({ loadCore }) => loadCore)), 2)),
    ]),
  };
}

/** Processor time of the server for one message, in microseconds. */
function costOf(rounds: TelemetryRounds['rounds']): number {
  return median(rounds.map(({ serverCore, perSecond }) => (serverCore / perSecond) * 1e6));
}

/** By rate, and by what a core of the server does (`…PerCore`), which other work on the machine doesn't change. */
function telemetryRatios(telemetry: readonly TelemetryRounds[]): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const [inFlight, suffix] of [
    [1, ''],
    [10, '10'],
  ] as const) {
    const roundsOf = (name: string) =>
      telemetry.find((row) => row.server === name && row.inFlight === inFlight)?.rounds;
    const own = roundsOf('emulator') ?? [];
    for (const [name, key] of [
      ['bare', 'telemetryVsBare'],
      ['aedes', 'telemetryVsAedes'],
      ['mosquitto', 'telemetryVsMosquitto'],
    ] as const) {
      const rival = roundsOf(name);
      if (!rival) continue;
      // Round by round: what the machine did meanwhile hit both.
      ratios[`${key}${suffix}`] = round(
        median(own.map(({ perSecond }, index) => perSecond / (rival[index]?.perSecond ?? NaN))),
        2,
      );
      ratios[`${key}${suffix}PerCore`] = round(costOf(rival) / costOf(own), 2);
    }
  }
  return ratios;
}
