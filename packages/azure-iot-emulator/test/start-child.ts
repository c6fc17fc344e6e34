import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureIotEmulator } from '../src/index.ts';
import { formatPorts, PORTS_VARIABLE } from '../src/redirect/route.ts';

/**
 * Runs a script with Microsoft's unmodified packages in a process of its own, which trusts the emulator's root by
 * NODE_EXTRA_CA_CERTS and is led to it by the hook of `azure-iot-emulator exec`.
 *
 * @param script - file name in this folder; gets `input` as JSON on stdin and prints JSON
 */
export async function runChild(emulator: AzureIotEmulator, script: string, input: unknown): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'emulator-child-'));
  try {
    const roots = join(folder, 'roots.pem');
    await writeFile(roots, emulator.cloud.trustedRootsPem);
    const url = (file: string) => new URL(file, import.meta.url);
    const child = spawn(process.execPath, ['--import', url('../dist/redirect/hook.js').href, url(script).pathname], {
      env: {
        PATH: process.env['PATH'],
        NODE_EXTRA_CA_CERTS: roots,
        [PORTS_VARIABLE]: formatPorts(emulator.cloud.ports),
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    const complaints: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.stdin.end(JSON.stringify(input));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0)
      throw new Error(`${script} ended with ${code ?? 'a signal'}: ${Buffer.concat(complaints).toString()}`);
    return JSON.parse(Buffer.concat(output).toString());
  } finally {
    await rm(folder, { recursive: true });
  }
}
