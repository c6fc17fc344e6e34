import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../bin/best-practice-x509.js', import.meta.url));
const emulator = createRequire(import.meta.url)
  .resolve('@contoso/azure-iot-emulator/package.json')
  .replace(/package\.json$/, 'bin/azure-iot-emulator.js');

/** How a command ended. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly ended: Promise<Ended>;
  /** Resolves with the first line of standard output that fits. */
  readonly line: (fits: (line: string) => boolean) => Promise<string>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs `best-practice-x509` as a user does, in a process of its own. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  return startProgram(command, args, options);
}

export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** The emulator in another terminal, so to say. */
export function startEmulator(args: readonly string[]): Running {
  return startProgram(emulator, ['start', ...args], {});
}

function startProgram(program: string, args: readonly string[], { env = {}, cwd }: RunOptions): Running {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...environment, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    for (const look of [...waiting]) look();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout: lines.join('\n'), stderr }));
  });
  return {
    ended,
    kill: (signal) => void child.kill(signal),
    line: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void ended.then(({ exitCode }) => reject(new Error(`ended with ${exitCode}: ${lines.join('\n')}\n${stderr}`)));
      }),
  };
}

/** The steps of a `--json` run, by name; the last line's result under `result`. */
export function steps(stdout: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const objects = stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  return Object.fromEntries(
    objects.flatMap((object) => {
      if (typeof object['step'] === 'string') return [[object['step'], object]];
      return 'result' in object ? [['result', object['result'] as Record<string, unknown>]] : [];
    }),
  );
}
