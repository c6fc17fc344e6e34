import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentBench } from './agent-bench.ts';
import { byAgent, byAgentAtOnce } from './agent-by-agent.ts';
import { bySdk } from './agent-by-sdk.ts';
import { bySockets } from './agent-by-sockets.ts';
import { measureMemory } from './agent-memory.ts';
import { measureRecovery } from './agent-recovery.ts';
import { inOpenFolder, measureColdStart, measureWarmStart } from './agent-start.ts';
import { measureTelemetryRate, type TelemetryLoad } from './agent-telemetry.ts';
import { startAzureServer } from './azure-server.ts';
import { median, quantile, round, type BenchOptions, type Measured, type Sheet } from './report.ts';

interface Part {
  readonly sections: Sheet['sections'];
  readonly values: Readonly<Record<string, number>>;
}

type MeasurePart = (bench: AgentBench) => Promise<Part>;

const devices = 1_000;
const oneDevice: TelemetryLoad = { rounds: 7, devices: 1, inFlight: 256, messages: 5_000 };
const hundredDevices: TelemetryLoad = { rounds: 5, devices: 100, inFlight: 16, messages: 100 };

const parts: Readonly<Record<string, MeasurePart>> = {
  cold: async (bench) => {
    const rows = await measureColdStart(bench, 40);
    return {
      sections: [times('Cold start: DPS registration, hub connection, first message acknowledged', rows)],
      values: {
        coldVsSockets: ratio(rows, byAgent.name, bySockets.name),
        coldVsSdk: ratio(rows, byAgent.name, bySdk.name),
        coldOpenFolderVsSockets: ratio(rows, inOpenFolder, bySockets.name),
        coldOpenFolderVsSdk: ratio(rows, inOpenFolder, bySdk.name),
      },
    };
  },
  warm: async (bench) => {
    const rows = await measureWarmStart(bench, 40);
    return {
      sections: [times('Warm start: hub known from before, first message acknowledged', rows)],
      values: {
        warmVsSocket: ratio(rows, byAgent.name, bySockets.name),
        warmVsSdk: ratio(rows, byAgent.name, bySdk.name),
        warmOpenFolderVsSocket: ratio(rows, inOpenFolder, bySockets.name),
      },
    };
  },
  memory: async (bench) => {
    const use = await measureMemory(bench, devices);
    const resident = (name: string): number => use.get(name)?.resident ?? NaN;
    return {
      sections: [
        {
          title: `Memory of each of ${String(devices)} devices in a process, KiB`,
          columns: ['way', 'resident', 'heap', 'outside'],
          rows: [...use].map(([name, { resident, heap, outside }]) => [
            name,
            ...[resident, heap, outside].map((kib) => String(round(kib, 1))),
          ]),
        },
      ],
      values: {
        memoryVsSdk: round(resident(byAgent.name) / resident(bySdk.name), 2),
        memoryVsSockets: round(resident(byAgent.name) / resident(bySockets.name), 2),
        memoryKiB: round(resident(byAgent.name), 1),
      },
    };
  },
  telemetry: async (bench) => {
    const one = await measureRate(bench, oneDevice);
    const hundred = await measureRate(bench, hundredDevices);
    return {
      sections: [one.section, hundred.section],
      values: { durableVsSdk: one.vsSdk, durable100VsSdk: hundred.vsSdk },
    };
  },
  recovery: async (bench) => {
    const rows = await measureRecovery(bench, 25);
    return {
      sections: [times('Recovery: from the cut of the connection to the next acknowledged message', rows)],
      values: {
        recoveryVsSdk: ratio(rows, byAgent.name, bySdk.name),
        recoveryNoWaitVsSdk: ratio(rows, byAgentAtOnce.name, bySdk.name),
      },
    };
  },
};

/** A device's life by our agent, by Microsoft's SDK and on bare sockets: all in one run, taking turns. */
export async function benchAgent(
  progress: (text: string) => void,
  { part: wanted }: Pick<BenchOptions, 'part'>,
): Promise<Sheet> {
  const chosen = Object.entries(parts).filter(([name]) => wanted === undefined || wanted === name);
  if (chosen.length === 0) throw new Error(`no part ${String(wanted)}; there are ${Object.keys(parts).join(', ')}`);
  progress('issuing certificates');
  const azure = await startAzureServer(wanted === 'cold' ? 250 : 2_000);
  const folder = await mkdtemp(join(tmpdir(), 'contoso-bench-'));
  const { endpoint, idScope, trustedRootsPem } = azure;
  const credentials = [...azure.credentials];
  const bench: AgentBench = {
    device: () => {
      const credential = credentials.pop();
      if (!credential) throw new Error('too few devices');
      return { ...credential, endpoint, idScope, trustedRootsPem };
    },
    cut: (deviceId) => azure.cut(deviceId),
    folder,
    progress,
  };
  try {
    const measured: Part[] = [];
    for (const [, measure] of chosen) measured.push(await measure(bench));
    return {
      title: 'One device, three ways (mutual TLS on loopback, the emulator in a process of its own)',
      skipped: [],
      sections: measured.flatMap(({ sections }) => sections),
      values: Object.assign({}, ...measured.map(({ values }) => values)) as Record<string, number>,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await azure.stop();
  }
}

function times(title: string, rows: readonly Measured[]): Sheet['sections'][number] {
  const ms = (value: number): string => `${String(round(value, 1))} ms`;
  return {
    title,
    columns: ['way', 'median', 'p95'],
    rows: rows.map(({ way, milliseconds }) => [way, ms(median(milliseconds)), ms(quantile(milliseconds, 0.95))]),
  };
}

function ratio(rows: readonly Measured[], way: string, over: string): number {
  const of = (name: string): number => median(rows.find((row) => row.way === name)?.milliseconds ?? []);
  return round(of(way) / of(over), 2);
}

async function measureRate(
  bench: AgentBench,
  load: TelemetryLoad,
): Promise<{ readonly section: Sheet['sections'][number]; readonly vsSdk: number }> {
  const rows = await measureTelemetryRate(bench, load);
  const rate = (name: string): number => median(rows.find(({ way }) => way === name)?.perSecond ?? []);
  return {
    section: {
      title: `Telemetry, acknowledged: devices ${String(load.devices)}, in flight each ${String(load.inFlight)}`,
      columns: ['way', 'messages/s'],
      rows: rows.map(({ way, perSecond }) => [way, String(round(median(perSecond), 0))]),
    },
    vsSdk: round(rate(byAgent.name) / rate(bySdk.name), 2),
  };
}
