import { getEventListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DeviceAgent, exponentialBackoff, loadIdentity, systemClock, type Clock } from '@contoso/device-agent';
import { startAzureServer, type AzureServer, type Credential } from './azure-server.ts';
import { judgeSoak, type SoakReport, type SoakSample } from './soak-report.ts';

export interface SoakOptions {
  readonly agents: number;
  /** Which are two hours to the agents. */
  readonly minutes: number;
  /** Ends the run before its time. */
  readonly reconnects: number;
  readonly progress: (text: string) => void;
}

const agentMinutes = 120;
/** In a run, with the time or the reconnects between them equal. */
const sampleCount = 30;

/** Agents whose connections are cut again and again, over two compressed hours: nothing may grow. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const azure = await startAzureServer(options.agents);
  const folder = await mkdtemp(join(tmpdir(), 'soak-'));
  const clock = new SoakClock(agentMinutes / options.minutes);
  const agents: SoakedAgent[] = [];
  try {
    for (const credential of azure.credentials) {
      const agent = new SoakedAgent({ azure, credential, clock, folder });
      agents.push(agent);
      await agent.start();
    }
    const samples: SoakSample[] = [];
    for (let number = 1; number <= sampleCount; number += 1) {
      await cutUntil(agents, (number / sampleCount) * options.reconnects, (options.minutes * 60_000) / sampleCount);
      samples.push(await takeSample(agents, clock));
      options.progress(JSON.stringify(samples.at(-1)));
    }
    return judgeSoak(samples);
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()));
    await azure.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Until there were so many reconnects, or so much time is over. */
async function cutUntil(agents: readonly SoakedAgent[], reconnects: number, forMs: number): Promise<void> {
  const endMs = performance.now() + forMs;
  const isOver = (): boolean => performance.now() >= endMs || reconnectsOf(agents) >= reconnects;
  await Promise.all(
    agents.map(async (agent) => {
      while (!isOver()) await agent.cut();
    }),
  );
}

async function takeSample(agents: readonly SoakedAgent[], clock: SoakClock): Promise<SoakSample> {
  for (let turn = 0; turn < 4; turn += 1) {
    await pause(50);
    collectGarbage();
  }
  const { heapUsed, rss } = process.memoryUsage();
  const mebibytes = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(2));
  return {
    reconnects: reconnectsOf(agents),
    heapMiB: mebibytes(heapUsed),
    residentMiB: mebibytes(rss),
    handles: process.getActiveResourcesInfo().length,
    listeners: clock.listeners + process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  };
}

function reconnectsOf(agents: readonly SoakedAgent[]): number {
  return agents.reduce((sum, agent) => sum + agent.reconnects, 0);
}

/** An agent that works: a message on each connection. */
class SoakedAgent {
  reconnects = -1;
  readonly #agent: Promise<DeviceAgent>;
  readonly #azure: AzureServer;
  readonly #deviceId: string;
  #onConnected: () => void = () => undefined;

  constructor(place: { azure: AzureServer; credential: Credential; clock: Clock; folder: string }) {
    const { azure, credential, clock, folder } = place;
    const { idScope, endpoint, trustedRootsPem } = azure;
    this.#azure = azure;
    this.#deviceId = credential.registrationId;
    this.#agent = loadIdentity(credential).then(
      (identity) =>
        new DeviceAgent({
          ...{ identity, connectTo: { idScope, endpoint }, trustedRootsPem, stateFolder: folder, clock },
          // The waits of a first failure, however often there was one.
          retryPolicy: exponentialBackoff({ firstMs: 1_000, maximumMs: 1_000 }),
          methods: { getReport: () => ({ status: 200 }) },
          onMessage: () => undefined,
          onDesired: () => undefined,
          onEvent: (event) => {
            if (event.type !== 'status' || event.state.status !== 'Connected') return;
            this.reconnects += 1;
            this.#onConnected();
          },
        }),
    );
  }

  async start(): Promise<void> {
    const agent = await this.#agent;
    await agent.start();
  }

  /** Resolves when it is back and has delivered a message. */
  async cut(): Promise<void> {
    const agent = await this.#agent;
    const back = new Promise<void>((resolve) => (this.#onConnected = resolve));
    await this.#azure.cut(this.#deviceId);
    await agent.send({ body: { reconnects: this.reconnects } });
    agent.report({ reconnects: this.reconnects });
    await back;
    await agent.flush();
  }

  async stop(): Promise<void> {
    const agent = await this.#agent;
    await agent.stop();
  }
}

/** Goes faster than the system's, and knows who waits for it. */
class SoakClock implements Clock {
  readonly #speed: number;
  readonly #beganMs = Date.now();
  readonly #signals = new Map<AbortSignal, number>();

  constructor(speed: number) {
    this.#speed = speed;
  }

  /** Of the signals that end a wait that goes on now. */
  get listeners(): number {
    return [...this.#signals.keys()].reduce((sum, signal) => sum + getEventListeners(signal, 'abort').length, 0);
  }

  now(): Date {
    return new Date(this.#beganMs + (Date.now() - this.#beganMs) * this.#speed);
  }

  async delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.#signals.set(signal, (this.#signals.get(signal) ?? 0) + 1);
    try {
      await systemClock.delay(milliseconds / this.#speed, signal);
    } finally {
      const others = (this.#signals.get(signal) ?? 1) - 1;
      if (others > 0) this.#signals.set(signal, others);
      else this.#signals.delete(signal);
    }
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
