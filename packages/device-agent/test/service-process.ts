import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll } from '@jest/globals';
import { issueDeviceCertificate } from '@contoso/pki';
import type { Contoso } from './contoso.ts';

const command = fileURLToPath(new URL('../bin/contoso-device.js', import.meta.url));

const { NODE_OPTIONS: _, NOTIFY_SOCKET: __, ...cleanEnvironment } = process.env;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `contoso-device` to its end. */
export function contosoDevice(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env: { ...cleanEnvironment, ...env } };
    execFile(process.execPath, [command, ...args], options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

export type LogRecord = Readonly<Record<string, unknown>>;

/** A running `contoso-device run`, with the lines of its log. */
export interface RunningService {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  readonly records: LogRecord[];
  /** Everything it has written so far, to standard output and standard error. */
  text(): string;
  /** Resolves with the first line that fits, whether it has come already or not. */
  record(fits: (record: LogRecord) => boolean): Promise<LogRecord>;
  /** Resolves with the exit code, or the signal's name. */
  end(signal?: NodeJS.Signals): Promise<number | string | null>;
}

/** A test that fails leaves its service running, and jest would wait for it. */
const running = new Set<RunningService['process']>();

afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

export function startService(configFile: string, env: Readonly<Record<string, string>> = {}): RunningService {
  const child = spawn(process.execPath, [command, 'run', '--config', configFile], {
    env: { ...cleanEnvironment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.on('close', () => running.delete(child));
  const written: string[] = [];
  const records: LogRecord[] = [];
  child.stderr.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  const lines: Interface = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    written.push(line);
    records.push(JSON.parse(line) as LogRecord);
  });
  return {
    process: child,
    records,
    text: () => written.join('\n'),
    record: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = records.find(fits);
          if (!found) return;
          lines.off('line', look).off('close', fail);
          resolve(found);
        };
        const fail = (): void => reject(new Error(`The service ended without that line:\n${written.join('\n')}`));
        lines.on('line', look).on('close', fail);
        look();
      }),
    end: async (signal) => {
      const closed = once(child, 'close') as Promise<[number | null, string | null]>;
      if (signal) child.kill(signal);
      const [code, by] = child.exitCode === null ? await closed : [child.exitCode, null];
      return code ?? by;
    },
  };
}

export const said =
  (message: string): ((record: LogRecord) => boolean) =>
  (record) =>
    record['msg'] === message;

/** A sample's value in Prometheus' exposition format. */
export const numberOf = (exposition: string, sample: string): number =>
  Number(
    exposition
      .split('\n')
      .find((line) => line.startsWith(sample))
      ?.split(' ')
      .at(-1),
  );

/** A folder with a device's identity and configuration. */
export interface DeviceFolder {
  readonly folder: string;
  readonly configFile: string;
  readonly path: (name: string) => string;
  readonly configure: (changes: Readonly<Record<string, unknown>>) => Promise<void>;
}

export const keyPassword = 'correct horse "battery" staple';

/** A device of the line with an encrypted key, as the factory hands it over; its configuration connects to the emulator. */
export async function deviceFolder(contoso: Contoso, registrationId: string): Promise<DeviceFolder> {
  const folder = join(contoso.folder, registrationId);
  await mkdir(folder);
  const path = (name: string): string => join(folder, name);
  const { chainPem, privateKeyPem } = await issueDeviceCertificate(contoso.line, { registrationId });
  const { createPrivateKey } = await import('node:crypto');
  const encrypted = createPrivateKey(privateKeyPem).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: keyPassword,
  });
  await Promise.all([
    writeFile(path('device.chain.pem'), chainPem),
    writeFile(path('device.key.pem'), encrypted, { mode: 0o600 }),
    writeFile(path('device.password'), `${keyPassword}\n`, { mode: 0o600 }),
    writeFile(path('roots.pem'), contoso.azure.cloud.trustedRootsPem),
  ]);
  const configFile = path('config.json');
  const configure = (changes: Readonly<Record<string, unknown>>): Promise<void> =>
    writeFile(
      configFile,
      JSON.stringify({
        identity: { chainFile: 'device.chain.pem', keyFile: 'device.key.pem', passwordFile: 'device.password' },
        connectTo: { idScope: contoso.idScope, endpoint: contoso.azure.cloud.provisioningDeviceEndpoint },
        stateFolder: 'state',
        trustedRootsFile: 'roots.pem',
        ...changes,
      }),
    );
  await configure({});
  return { folder, configFile, path, configure };
}
