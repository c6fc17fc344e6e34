import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const program = fileURLToPath(new URL('../bin/azure-iot-emulator.js', import.meta.url));

describe('azure-iot-emulator', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-command-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  // TMPDIR leads the command's own temporary folder here, where the test sees what is left of it.
  const run = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env['PATH'], TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const finish = async (child: ChildProcess): Promise<{ code: unknown; out: string; err: string }> => {
    const closed = once(child, 'close') as Promise<[number | null]>;
    const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), closed]);
    return { code, out, err };
  };
  const firstLine = async (child: ChildProcess): Promise<string> =>
    ((await once(createInterface(child.stdout!), 'line')) as [string])[0];

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ok: start says when it is ready, and %s ends it without a trace',
    async (signal) => {
      const child = run('start', '--mqtt-port', '0', '--https-port', '0', '--json');
      const { ready, cloudFile, mqttPort, httpsPort } = JSON.parse(await firstLine(child)) as Record<string, unknown>;
      expect([ready, typeof mqttPort, typeof httpsPort]).toEqual([true, 'number', 'number']);
      const cloud = JSON.parse(await readFile(String(cloudFile), 'utf8')) as Record<string, unknown>;
      expect(cloud).toMatchObject({
        name: 'emulator',
        resourceManagerEndpoint: `https://localhost:${String(httpsPort)}`,
      });
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([0, null]);
      await expect(access(dirname(String(cloudFile)))).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  it('ok: a folder that was asked for keeps the cloud file; people get lines without colours where there is no terminal', async () => {
    const child = run('start', '--mqtt-port', '0', '--https-port', '0', '--folder', join(folder, 'kept'));
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout!)) {
      lines.push(line);
      if (line.startsWith('Ready.')) child.kill('SIGTERM');
    }
    expect(lines).toEqual([
      `Cloud file:  ${join(folder, 'kept', 'cloud.json')}`,
      expect.stringMatching(/^Devices: {5}global\.azure-devices-provisioning\.localhost:\d+ /),
      expect.stringMatching(/^Management: {2}https:\/\/localhost:\d+ /),
      'Ready. Stop with Ctrl+C.',
    ]);
    await access(join(folder, 'kept', 'cloud.json'));
  });

  it('fail: a port that is taken is named, with what to do, and the exit code is 1', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, out, err } = await finish(run('start', '--mqtt-port', String(port), '--https-port', '0'));
    server.close();
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      new RegExp(`^error: Port ${port} on 127\\.0\\.0\\.1 is taken by another process; .*use 0 for a free one\\.\n$`),
    );
  });

  it('fail: a port that is none', async () => {
    const { code, err } = await finish(run('start', '--mqtt-port', '65536'));
    expect([code, err]).toEqual([1, expect.stringContaining('Expected a number from 0 to 65535.')]);
  });

  it('ok: help shows examples', async () => {
    const { code, out } = await finish(run('start', '--help'));
    expect([code, out]).toEqual([
      0,
      expect.stringContaining('$ azure-iot-emulator start --mqtt-port 0 --https-port 0 --json'),
    ]);
  });
});
