import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run, start, startEmulator, steps, type Running } from './command-line.ts';

// The README's walk, each command in a process of its own, against the emulator in another one.
let folder: string;
let emulator: Running;
let cloud: readonly string[];
let idScope: string;
let hubHostName: string;

const password = 'a passphrase for tests';
const azure = ['--dps-resource-group', 'contoso', '--dps-name', 'contoso-dps', '--iot-hub-name', 'contoso-hub'];
const target = ['--resource-group', 'contoso', '--dps-name', 'contoso-dps', '--iot-hub-name', 'contoso-hub'];
const pfx = (id: string): string => join(folder, 'certs', `${id}.pfx`);
const deviceFlags = (id: string): string[] => [
  '--certificate-name',
  pfx(id),
  '--certificate-password-file',
  join(folder, 'password'),
];

const setup = (deviceId: string, ...more: string[]) =>
  run(
    [
      'setup',
      ...cloud,
      ...azure,
      '--cert-folder-path',
      join(folder, 'certs'),
      '--device-id',
      deviceId,
      '--json',
      ...more,
    ],
    { env: { ROOT_CERT_PASSWORD: password } },
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commands-test-'));
  await writeFile(join(folder, 'password'), `${password}\n`);
  emulator = startEmulator(['--folder', folder, '--mqtt-port', '0', '--https-port', '0', '--json']);
  await emulator.line(() => true);
  cloud = ['--cloud', join(folder, 'cloud.json')];
});

afterAll(async () => {
  emulator.kill('SIGTERM');
  expect((await emulator.ended).exitCode).toBe(0);
  await rm(folder, { recursive: true, force: true });
});

describe("the sample's commands", () => {
  it('setup makes everything, and the second time nothing', async () => {
    const first = await setup('thermostat-1', '--create', '--location', 'westeurope');
    expect({ exitCode: first.exitCode, stderr: first.stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(steps(first.stdout)).toMatchObject({
      'Enrollment group created': { enrollmentGroupId: 'x509GroupEnrollment' },
    });
    const second = await setup('thermostat-1');
    expect(steps(second.stdout)).toMatchObject({
      'Azure is ready': { created: 'nothing' },
      'Root authority found': {},
      'Root is uploaded and proved already': {},
      'Device certificate found': {},
      'Enrollment group unchanged': {},
    });
    ({ idScope } = steps(second.stdout)['result'] as { idScope: string });
  });

  it('setup --force issues anew and makes the group anew', async () => {
    const forced = steps((await setup('thermostat-1', '--force')).stdout);
    expect(forced).toMatchObject({ 'Device certificate issued': {}, 'Enrollment group recreated': {} });
  });

  it.each(['mqtt', 'mqtt-websocket'])(
    'provision registers, connects and sends one message over %s',
    async (transport) => {
      const { exitCode, stdout } = await run([
        'provision',
        ...cloud,
        '--id-scope',
        idScope,
        ...deviceFlags('thermostat-1'),
        '--transport-type',
        transport,
        '--json',
      ]);
      expect(exitCode).toBe(0);
      const { result } = steps(stdout);
      expect(result).toMatchObject({
        registrationId: 'thermostat-1',
        status: 'assigned',
        deviceId: 'thermostat-1',
        messageId: expect.any(String),
      });
      hubHostName = result?.['assignedHub'] as string;
      expect(hubHostName).toMatch(/^contoso-hub\.azure-devices\.localhost:\d+$/);
    },
  );

  it('device runs for its time, at a known hub', async () => {
    const { exitCode, stdout } = await run([
      'device',
      ...cloud,
      '--hub-host-name',
      hubHostName,
      '--device-id',
      'thermostat-1',
      ...deviceFlags('thermostat-1'),
      '--application-running-time',
      '1',
      '--telemetry-interval',
      '0.2',
      '--json',
    ]);
    expect(exitCode).toBe(0);
    const { result } = steps(stdout);
    expect(result).toMatchObject({ undeliveredMessages: 0 });
    expect(Number(result?.['messagesSent'])).toBeGreaterThan(1);
  });

  it('device runs over DPS until SIGTERM, and keeps its hub', async () => {
    for (const how of [/"note":"asking DPS/, /\(kept assignment\)/]) {
      const device = start(['device', ...cloud, '--id-scope', idScope, ...deviceFlags('thermostat-1'), '--json']);
      await device.line((line) => how.test(line));
      await device.line((line) => line.includes('acknowledged by the hub'));
      device.kill('SIGTERM');
      const { exitCode, stdout } = await device.ended;
      expect({ exitCode, result: steps(stdout)['result'] }).toEqual({
        exitCode: 0,
        result: { messagesSent: 1, undeliveredMessages: 0 },
      });
      expect(stdout).toMatch(/connection: Closed, ClientClosed/);
    }
  });

  it('cleanup shows its plan, does it, finds nothing left, and the device cannot come back', async () => {
    const cleanup = (...more: string[]) =>
      run(['cleanup', ...cloud, ...target, '--device-id', 'thermostat-1', '--json', ...more]);
    const planned = steps((await cleanup('--dry-run')).stdout);
    expect(planned['result']).toMatchObject({ dryRun: true, steps: 4, alreadyGone: 0 });
    expect((await run(['provision', ...cloud, '--id-scope', idScope, ...deviceFlags('thermostat-1')])).exitCode).toBe(
      0,
    );
    expect(steps((await cleanup()).stdout)['result']).toMatchObject({ dryRun: false, steps: 4, alreadyGone: 0 });
    expect(steps((await cleanup()).stdout)['result']).toMatchObject({ steps: 0 });
    const { exitCode, stderr } = await run([
      'provision',
      ...cloud,
      '--id-scope',
      idScope,
      ...deviceFlags('thermostat-1'),
    ]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/Error ERR_AGENT_DPS_REFUSED: .*401002/);
  });

  it('help shows examples and exits 0', async () => {
    const { exitCode, stdout } = await run(['--help']);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/\$ best-practice-x509 setup --cloud[^]*Exit codes/),
    });
  });
});
