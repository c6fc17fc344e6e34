import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { run, start, steps } from './command-line.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-test-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe('demo', () => {
  it('tells the whole story, exits 0 and leaves nothing behind', async () => {
    const { exitCode, stdout, stderr } = await run(['demo', '--json', '--devices', '2'], { env: { TMPDIR: folder } });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const told = steps(stdout);
    expect(told).toMatchObject({
      'Azure is ready': { dps: 'contoso-dps', idScope: expect.stringMatching(/^0ne[0-9A-F]{8}$/) },
      'Root uploaded and possession proved': {
        etag: expect.any(String),
        thumbprint: expect.stringMatching(/^[0-9A-F]{40}$/),
      },
      'thermostat-1-1 provisioned and connected': {
        status: 'assigned',
        substatus: 'initialAssignment',
        connection: 'Connected',
      },
      'thermostat-2-2 provisioned and connected': { status: 'assigned', subject: 'CN=thermostat-2-2' },
      'Telemetry of thermostat-1-1 arrived at the hub': { temperatureAlert: 'false' },
      'Telemetry of thermostat-2-1 arrived at the hub': { temperatureAlert: 'true' },
      'Target temperature of thermostat-1-1 changed and reported back': { reported: expect.stringContaining('"av":2') },
      'Cloud-to-device message completed': { feedback: 'Success' },
      'Method getReport answered by thermostat-1-1': { status: 200 },
      'Connection of thermostat-1-1 cut, and recovered by itself': {
        connection: 'DisconnectedRetrying, Connected',
        lost: 0,
      },
      'thermostat-1-1 restarted and went straight to its hub': { registrationsBefore: 1, registrationsAfter: 1 },
      'A device from a line that nobody enrolled is refused': {
        code: 'ERR_AGENT_DPS_REFUSED',
        azureCode: 401002,
        why: expect.stringMatching(/CN=line-3/),
      },
      "Delete enrollment group 'line-2'": { outcome: 'already-gone' },
      'thermostat-2-2 has ended by itself': { connection: 'Disconnected, BadCredential' },
      "thermostat-1-1 can't come back": { code: 'ERR_AGENT_DPS_REFUSED' },
      result: { lines: 2, devices: 4, telemetryLost: 0 },
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('keeps certificates, keys and state where it is told to, keys for their owner alone', async () => {
    const kept = join(folder, 'kept');
    const { exitCode, stdout } = await run(['demo', '--keep', kept]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/\nResult\n[^]*kept +.*kept/);
    expect(stdout).not.toContain('\u001b[');
    expect(await readdir(join(kept, 'certs'))).toEqual(
      expect.arrayContaining(['root.key.pem', 'line-1.key.pem', 'thermostat-1-1.pfx']),
    );
    for (const file of ['certs/root.key.pem', 'certs/thermostat-1-1.pfx', 'emulator/cloud.json']) {
      expect([file, (await stat(join(kept, file))).mode & 0o777]).toEqual([file, 0o600]);
    }
    // A second run over what is there: the password is another one, so the kept keys must not be touched.
    const again = await run(['demo', '--keep', kept]);
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/kept.* is not empty/) });
  });

  it('cleans up when it is interrupted', async () => {
    const story = start(['demo', '--json'], { env: { TMPDIR: folder } });
    await story.line((line) => line.includes('Root uploaded'));
    story.kill('SIGINT');
    expect((await story.ended).exitCode).toBe(130);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    [['--devices', '0'], /whole number from 1/],
    [['--device', '1'], /unknown option '--device'.*\n.*--devices/],
    [['--keep'], /argument missing/],
  ])('says what is wrong with %j and exits 2', async (args, message) => {
    const { exitCode, stderr } = await run(['demo', ...args]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringMatching(message) });
  });
});
