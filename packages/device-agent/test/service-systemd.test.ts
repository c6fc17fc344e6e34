import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { watchdogIntervalMs } from '../src/service/systemd-notify.ts';
import { startContoso, type Contoso } from './contoso.ts';
import { contosoDevice, deviceFolder, said, startService } from './service-process.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

const receivers: ChildProcess[] = [];

afterAll(async () => {
  for (const receiver of receivers) receiver.kill();
  await contoso.close();
});

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const itWithSystemd = has('systemd-notify') && has('python3') ? it : it.skip;
const itWithAnalyze = has('systemd-analyze') ? it : it.skip;

describe('systemd', () => {
  itWithSystemd('is told READY=1, how the device is, WATCHDOG=1 and STOPPING=1', async () => {
    const { configFile, path } = await deviceFolder(contoso, 'notified');
    const socket = path('notify');
    const receiver = spawn('python3', [fileURLToPath(new URL('./notify-receiver.py', import.meta.url)), socket]);
    receivers.push(receiver);
    const messages: string[] = [];
    const lines = createInterface({ input: receiver.stdout });
    lines.on('line', (line) => messages.push(JSON.parse(line) as string));
    await once(lines, 'line');
    const until = async (text: string): Promise<void> => {
      while (!messages.some((message) => message.includes(text))) await once(lines, 'line');
    };
    const service = startService(configFile, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' });
    await until('READY=1');
    await until('STATUS=Connected');
    await until('WATCHDOG=1');
    await service.end('SIGTERM');
    await until('STOPPING=1');
    const order = ['READY=1', 'STATUS=Connected', 'STOPPING=1'].map((text) =>
      messages.findIndex((m) => m.includes(text)),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  itWithSystemd('that takes nothing is told about in the log, and the device goes on', async () => {
    const { configFile } = await deviceFolder(contoso, 'unheard');
    const service = startService(configFile, { NOTIFY_SOCKET: '/nowhere/notify' });
    await service.record((record) => String(record['msg']).startsWith('systemd-notify failed'));
    await service.record(said('Connected: ConnectionOk'));
    expect(await service.end('SIGTERM')).toBe(0);
  });

  it.each([
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
    [{}, undefined],
  ])('with %j wants its watchdog fed every %s ms', (env, expected) => {
    expect(watchdogIntervalMs(env, 7)).toBe(expected);
  });

  itWithAnalyze('verifies the printed unit', async () => {
    const { configFile, configure, path } = await deviceFolder(contoso, 'unit');
    await configure({ stateFolder: '/var/lib/contoso-device', health: { file: '/run/contoso-device/health.json' } });
    const { code, stdout } = await contosoDevice(['systemd-unit', '--config', configFile]);
    await writeFile(path('contoso-device.service'), stdout);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('LoadCredential=identity.keyFile:') as unknown,
    });
    const verified = execFileSync('systemd-analyze', ['verify', path('contoso-device.service')], { encoding: 'utf8' });
    expect(verified).toBe('');
  });

  it('gets no unit for a state folder that its service could not write', async () => {
    const { configFile } = await deviceFolder(contoso, 'elsewhere');
    const { code, stderr } = await contosoDevice(['systemd-unit', '--config', configFile]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('/var/lib') as unknown });
  });
});
