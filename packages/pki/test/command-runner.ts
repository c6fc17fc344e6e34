import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../bin/contoso-pki.js', import.meta.url));

/** What a run of the command left behind. */
export interface CommandRun {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** Standard output with `--json`: one object a line. */
  lines: Record<string, unknown>[];
}

export const passwords = {
  ROOT_PASSWORD: 'root-secret',
  LINE_PASSWORD: 'line-secret',
  DEVICE_PASSWORD: 'device-secret',
};

/** Runs `contoso-pki` as somebody at a shell does, in a folder, with passwords in the environment. */
export async function runCommand(
  folder: string,
  args: readonly string[],
  { env = passwords, input = '' }: { env?: Record<string, string>; input?: string } = {},
): Promise<CommandRun> {
  const running = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
  });
  let [stdout, stderr] = ['', ''];
  running.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
  running.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  running.stdin.end(input);
  const [exitCode] = (await once(running, 'close')) as [number | null];
  const lines = args.includes('--json')
    ? stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { exitCode, stdout, stderr, lines };
}

/** As runCommand, at a terminal of 80 columns (`script` of util-linux gives it one): all that would be seen there. */
export async function runOnTerminal(folder: string, args: readonly string[]): Promise<string> {
  const command = `stty cols 80 && exec "${process.execPath}" "${program}" ${args.join(' ')}`;
  const running = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      SHELL: '/bin/sh',
      NO_COLOR: '1',
      ...passwords,
    },
  });
  let seen = '';
  running.stdout.on('data', (text: Buffer) => (seen += text.toString()));
  running.stdin.end();
  const [exitCode] = (await once(running, 'close')) as [number | null];
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${seen}`);
  return seen;
}

const { error: noScript, stdout: scriptVersion } = spawnSync('script', ['--version'], { encoding: 'utf8' });

/** Whether a terminal can be had. */
export const hasTerminal = noScript === undefined && scriptVersion.includes('util-linux');

/** Runs with `--json` and gives the result; anything but exit code 0 fails the test. */
export async function resultOf(folder: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr, lines } = await runCommand(folder, [...args, '--json']);
  const last = lines.at(-1);
  if (exitCode !== 0 || !last || !('result' in last)) throw new Error(`exit code ${exitCode}: ${stdout}${stderr}`);
  return last['result'] as Record<string, unknown>;
}

/** A root and a line in `{folder}/pki`. */
export async function initFolder(folder: string): Promise<void> {
  await resultOf(folder, 'init', 'Contoso Root CA');
  await resultOf(folder, 'line', 'line-1');
}
