import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AzureIotEmulator } from '@contoso/azure-iot-emulator';
import { createServerCertificate } from './emulator-fleet.ts';

/** What the emulator's process is told. */
export type HubCommand =
  | {
      readonly do: 'provision';
      readonly hub: string;
      readonly devices: readonly { deviceId: string; thumbprint: string }[];
    }
  | { readonly do: 'read'; readonly hub: string; readonly first: number }
  | { readonly do: 'collect' };

export interface HubReady {
  readonly cloud: AzureIotEmulator['cloud'];
  readonly port: number;
}

/** A server of the comparison, in a process of its own. */
export interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** PEM; what its clients trust. */
  readonly ca: string;
  /** Collects garbage where the server is one of ours. */
  ask(command: HubCommand): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** Processor time of a process so far, in milliseconds, and its resident memory. Linux only. */
export function resourcesOf(pid: number): { readonly cpuMs: number; readonly residentKiB: number } {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return { cpuMs: threads.reduce((a, b) => a + b, 0) / 1e6, residentKiB: Number(resident) };
}

/** The emulator; {@link HubReady} tells where it is. */
export async function startEmulator(): Promise<Server & HubReady> {
  const child = fork(new URL('./emulator-hub-process.js', import.meta.url), [], { execArgv: ['--expose-gc'] });
  const ready = (await firstMessage(child)) as HubReady;
  return { ...ready, ...handle('emulator', child, ready.cloud.trustedRootsPem) };
}

/** Everything that is compared, as far as it is there. */
export async function startRivals(clientRootPem: string): Promise<{ servers: Server[]; skipped: string[] }> {
  const certificate = await createServerCertificate();
  const folder = await mkdtemp(join(tmpdir(), 'emulator-bench-'));
  const files = [
    [join(folder, 'server.pem'), certificate.certificatePem],
    [join(folder, 'server-key.pem'), certificate.keyPem],
    [join(folder, 'clients.pem'), clientRootPem],
  ] as const;
  for (const [file, text] of files) await writeFile(file, text, { mode: 0o600 });
  const paths = files.map(([file]) => file);
  const ca = certificate.certificatePem;
  const servers: Server[] = [];
  for (const [name, script] of [
    ['bare', './emulator-bare-process.js'],
    ['aedes', './emulator-aedes-process.js'],
  ] as const) {
    const child = fork(new URL(script, import.meta.url), paths, { execArgv: ['--expose-gc'] });
    const { port } = (await firstMessage(child)) as { port: number };
    servers.push({ port, ...handle(name, child, ca) });
  }
  const mosquitto = findMosquitto();
  if (mosquitto) servers.push(await startMosquitto(mosquitto, { folder, paths, ca }));
  const last = servers.at(-1);
  if (last) servers.splice(-1, 1, { ...last, stop: () => last.stop().then(() => rm(folder, { recursive: true })) });
  return { servers, skipped: mosquitto ? [] : ['mosquitto is not installed (Debian: apt-get install mosquitto)'] };
}

function findMosquitto(): string | undefined {
  return ['mosquitto', '/usr/sbin/mosquitto'].find((program) => !spawnSync(program, ['-h']).error);
}

async function startMosquitto(
  program: string,
  { folder, paths, ca }: { folder: string; paths: readonly string[]; ca: string },
): Promise<Server> {
  const [certificateFile = '', keyFile = '', rootFile = ''] = paths;
  const port = await freePort();
  const configuration = join(folder, 'mosquitto.conf');
  await writeFile(
    configuration,
    [
      `listener ${port} 127.0.0.1`,
      `certfile ${certificateFile}`,
      `keyfile ${keyFile}`,
      `cafile ${rootFile}`,
      'require_certificate true',
      'tls_version tlsv1.2',
      'allow_anonymous true',
      'persistence false',
      'set_tcp_nodelay true',
      'max_connections -1',
      'log_dest none',
      `user ${userInfo().username}`,
      '',
    ].join('\n'),
  );
  const child = spawn(program, ['-c', configuration], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  while (!(await isListening(port))) {
    if (child.exitCode !== null)
      throw new Error('mosquitto ended before it listened; see its own message with the same configuration.');
    await delay(20);
  }
  return {
    name: 'mosquitto',
    pid: child.pid ?? 0,
    port,
    ca,
    ask: () => Promise.resolve({}),
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}

function handle(name: string, child: ChildProcess, ca: string): Omit<Server, 'port'> {
  const exited = once(child, 'exit');
  return {
    name,
    pid: child.pid ?? 0,
    ca,
    ask: async (command) => {
      child.send(command);
      return (await firstMessage(child)) as Record<string, number>;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function firstMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error('A server ended; what it said stands above.'));
    child.once('exit', fail);
    child.once('message', (message) => {
      child.off('exit', fail);
      resolve(message);
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
