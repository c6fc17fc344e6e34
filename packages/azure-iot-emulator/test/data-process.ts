import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import type { EmulatorCloud, StartAzureIotOptions } from '../src/index.ts';
import { type Answer, callHttps } from './start-https.ts';

const program = fileURLToPath(new URL('../bin/azure-iot-emulator.js', import.meta.url));

/** The emulator's command, in a process that a test may kill. */
export interface EmulatorProcess {
  readonly cloudFile: string;
  readonly cloud: EmulatorCloud;
  readonly mqttPort: number;
  readonly httpsPort: number;
  /** A call of the hub's service plane with a token of Entra ID. */
  callHub(method: string, path: string, body?: unknown): Promise<Answer>;
  /** A call of Resource Manager. */
  callArm(method: string, path: string): Promise<Answer>;
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export function startProcess(...args: string[]): Promise<EmulatorProcess> {
  return open([program, 'start', '--json', ...args]);
}

/** {@link startAzureIot} in a process of its own. */
export function startLibrary(options: StartAzureIotOptions): Promise<EmulatorProcess> {
  const script = fileURLToPath(new URL('./data-child.mjs', import.meta.url));
  return open([script, JSON.stringify(options)]);
}

async function open(args: readonly string[]): Promise<EmulatorProcess> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const complaints = text(child.stderr);
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line') as Promise<[string]>,
    once(child, 'close').then(async () => Promise.reject(new Error(await complaints))),
  ]);
  const { cloudFile, mqttPort, httpsPort } = JSON.parse(line[0]) as Record<'cloudFile', string> &
    Record<'mqttPort' | 'httpsPort', number>;
  const cloud = JSON.parse(await readFile(cloudFile, 'utf8')) as EmulatorCloud;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  };
  const emulator = { cloud, httpsPort } as Parameters<typeof callHttps>[0];
  const call = async (audience: string, request: Omit<Parameters<typeof callHttps>[1], 'headers'>): Promise<Answer> =>
    callHttps(emulator, {
      ...request,
      headers: {
        authorization: `Bearer ${await accessToken(emulator, cloud, audience)}`,
        'content-type': 'application/json',
      },
    });
  return {
    cloudFile,
    cloud,
    mqttPort,
    httpsPort,
    callHub: (method, path, body) =>
      call(cloud.hubAudience, {
        method,
        host: `hub-1.${cloud.hubSuffix}`,
        path: path.startsWith('/emulator') ? path : `${path}?api-version=2021-04-12`,
        ...(body !== undefined && { body }),
      }),
    callArm: (method, path) => call(cloud.resourceManagerAudience, { method, path }),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/** Runs another command to its end. */
export async function runCommandLine(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const child: ChildProcess = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), closed]);
  return { code, out, err };
}

async function accessToken(
  emulator: Parameters<typeof callHttps>[0],
  { servicePrincipal: { tenantId, clientId, clientSecret } }: EmulatorCloud,
  audience: string,
): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    client_secret: clientSecret,
    scope: `${audience}/.default`,
  });
  const { body } = await callHttps(emulator, {
    method: 'POST',
    path: `/${tenantId}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: String(form),
  });
  return (body as { access_token: string }).access_token;
}
