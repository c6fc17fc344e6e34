import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createAzureSession,
  deleteCaCertificate,
  getCaCertificate,
  listEnrollmentGroups,
  loadCloud,
  type AzureSession,
} from '@contoso/dps-admin';
import {
  createLineAuthority,
  createRootAuthority,
  encodePfx,
  issueDeviceCertificate,
  loadAuthority,
  type DeviceCredential,
} from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run, startEmulator, steps, type Ended, type Running } from './command-line.ts';

// Each line shows its error, says what to do, exits with a code that is not 0, and leaves files and Azure as they were.
let folder: string;
let certs: string;
let emulator: Running;
let session: AzureSession;
let cloudFile: string;
let idScope: string;

const password = 'a passphrase for tests';
const resourceGroup = 'contoso';
const dpsName = 'contoso-dps';

const setup = (
  options: { deviceId?: string; env?: Record<string, string>; dps?: string; more?: string[] } = {},
): Promise<Ended> => {
  const { deviceId = 'thermostat-1', env = { ROOT_CERT_PASSWORD: password }, dps = dpsName, more = [] } = options;
  const names = ['--dps-resource-group', resourceGroup, '--dps-name', dps, '--iot-hub-name', 'contoso-hub'];
  return run(['setup', '--cloud', cloudFile, ...names, '--cert-folder-path', certs, '--device-id', deviceId, ...more], {
    env,
  });
};

const provision = (pfxFile: string, more: string[] = [], pass = password): Promise<Ended> =>
  run(['provision', '--cloud', cloudFile, '--id-scope', idScope, '--certificate-name', pfxFile, ...more], {
    env: { CERTIFICATE_PASSWORD: pass },
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bad-input-'));
  certs = join(folder, 'certs');
  emulator = startEmulator(['--folder', folder, '--mqtt-port', '0', '--https-port', '0', '--json']);
  await emulator.line(() => true);
  cloudFile = join(folder, 'cloud.json');
  session = await createAzureSession({ cloud: await loadCloud(cloudFile) });
  const { stdout } = await setup({ more: ['--create', '--location', 'westeurope', '--json'] });
  ({ idScope } = steps(stdout)['result'] as { idScope: string });
});

afterAll(async () => {
  session.close();
  emulator.kill('SIGTERM');
  await emulator.ended;
  await rm(folder, { recursive: true, force: true });
});

/** Everything that a command could have changed. */
const everything = async (): Promise<unknown> => {
  const files = (await readdir(certs)).sort().filter((name) => name !== 'state');
  const contents = await Promise.all(
    files.map(async (name) =>
      createHash('sha256')
        .update(await readFile(join(certs, name)))
        .digest('hex'),
    ),
  );
  const root = await getCaCertificate(session, { resourceGroup, dpsName, certificateName: 'rootCA' });
  const groups = await listEnrollmentGroups(session, dpsName);
  return { files, contents, root, groups };
};

const expectRefusal = async (
  attempt: () => Promise<Ended>,
  { exitCode = 1, code, says }: { exitCode?: number; code: string; says: RegExp },
): Promise<void> => {
  const before = await everything();
  const ended = await attempt();
  expect(ended).toMatchObject({ exitCode, stderr: expect.stringMatching(says) });
  expect(ended.stderr).toContain(code);
  expect(ended.stderr + ended.stdout).not.toMatch(/a passphrase|wrong one|PRIVATE KEY|\n {4}at /);
  expect(await everything()).toEqual(before);
};

/** A PFX beside the folder, as somebody may have put it together. */
const writePfx = async (name: string, chainPem: string, privateKeyPem: string): Promise<string> => {
  const file = join(folder, `${name}.pfx`);
  await writeFile(file, await encodePfx({ chainPem, privateKeyPem, password }), { mode: 0o600 });
  return file;
};

const issue = async (registrationId: string): Promise<DeviceCredential> =>
  issueDeviceCertificate(await loadAuthority({ folder: certs, name: 'line-1', password }), { registrationId });

describe('bad input', () => {
  it('a wrong password', async () => {
    await expectRefusal(() => setup({ env: { ROOT_CERT_PASSWORD: 'the wrong one' } }), {
      code: 'ERR_PKI_PASSWORD_WRONG',
      says: /root\.key\.pem|password/i,
    });
    await expectRefusal(() => provision(join(certs, 'thermostat-1.pfx'), [], 'the wrong one'), {
      code: 'ERR_AGENT_PASSWORD',
      says: /does not open .*thermostat-1\.pfx/,
    });
  });

  it('no password at all, an empty one, a password file that is not there', async () => {
    await expectRefusal(() => setup({ env: {} }), {
      exitCode: 2,
      code: 'ERR_USAGE',
      says: /give --root-cert-password-file FILE, set ROOT_CERT_PASSWORD/,
    });
    await expectRefusal(() => setup({ env: { ROOT_CERT_PASSWORD: '' } }), {
      exitCode: 2,
      code: 'ERR_USAGE',
      says: /must not be empty/,
    });
    const missing = join(folder, 'no-password');
    await expectRefusal(() => setup({ more: ['--root-cert-password-file', missing] }), {
      exitCode: 2,
      code: 'ERR_USAGE',
      says: /Can't read the password file/,
    });
  });

  it('a missing file', async () => {
    await expectRefusal(() => provision(join(folder, 'nowhere.pfx')), {
      code: 'ERR_AGENT_IDENTITY_FILE',
      says: /nowhere\.pfx.*Check the path/,
    });
    await expectRefusal(
      () =>
        run([
          'provision',
          '--cloud',
          join(folder, 'no-cloud.json'),
          '--id-scope',
          idScope,
          '--certificate-name',
          'x.pfx',
        ]),
      {
        code: 'ERR_CLOUD',
        says: /no-cloud\.json/,
      },
    );
  });

  it.each([
    ['Thermostat-2', 'UPPER_CASE'],
    ['-thermostat', 'EDGE'],
    ['thermo stat', 'CHARACTER'],
    ['t'.repeat(65), 'TOO_LONG'],
  ])('a device ID outside the rules: %s', async (deviceId, rule) => {
    await expectRefusal(() => setup({ deviceId, more: [] }), {
      code: `ERR_PKI_REGISTRATION_ID_${rule}`,
      says: /registration ID/i,
    });
  });

  it('an expired certificate', async () => {
    const now = new Date(Date.now() - 3 * 86_400_000);
    const root = await createRootAuthority({ commonName: 'Contoso Root CA', now });
    const line = await createLineAuthority(root, { lineName: 'line-1', now });
    const device = await issueDeviceCertificate(line, { registrationId: 'expired-1', validityDays: 1, now });
    const file = await writePfx('expired-1', device.chainPem, device.privateKeyPem);
    await expectRefusal(() => provision(file), {
      code: 'ERR_AGENT_CERTIFICATE_EXPIRED',
      says: /expired-1 expired at .*Issue a new one/,
    });
  });

  it('a chain without its intermediate', async () => {
    const device = await issue('leaf-only');
    const file = await writePfx('leaf-only', device.certificatePem, device.privateKeyPem);
    await expectRefusal(() => provision(file), {
      code: 'ERR_AGENT_DPS_REFUSED',
      says: /its issuer CN=line-1 is missing from the file.*whole chain/,
    });
  });

  it('a root that is not verified', async () => {
    await deleteCaCertificate(session, { resourceGroup, dpsName, certificateName: 'rootCA' });
    const device = await issue('no-root-there');
    const file = await writePfx('no-root-there', device.chainPem, device.privateKeyPem);
    await expectRefusal(() => provision(file), {
      code: 'ERR_AGENT_DPS_REFUSED',
      says: /CN=Contoso Root CA is uploaded to this DPS and verified/,
    });
    expect((await setup()).exitCode).toBe(0);
  });

  it('a group that exists already, for other devices', async () => {
    await expectRefusal(() => setup({ deviceId: 'thermostat-9', more: ['--line', 'line-9'] }), {
      code: 'ERR_CONFLICT',
      says: /x509GroupEnrollment exists already and admits the devices of CN=line-1, not of CN=line-9.*--force/,
    });
  });

  it('a root of the same name that is another one', async () => {
    const other = join(folder, 'other-certs');
    const names = ['--dps-resource-group', resourceGroup, '--dps-name', dpsName, '--iot-hub-name', 'contoso-hub'];
    const attempt = (): Promise<Ended> =>
      run(['setup', '--cloud', cloudFile, ...names, '--cert-folder-path', other, '--device-id', 'thermostat-1'], {
        env: { ROOT_CERT_PASSWORD: password },
      });
    await expectRefusal(attempt, { code: 'ERR_CONFLICT', says: /another certificate under the name rootCA.*--force/ });
    await expect(readdir(other)).rejects.toThrow('ENOENT');
  });

  it('a DPS that does not exist', async () => {
    await expectRefusal(() => setup({ dps: 'nobodys-dps' }), {
      code: 'ERR_PREREQUISITES_MISSING',
      says: /nobodys-dps/,
    });
    const target = [
      '--resource-group',
      resourceGroup,
      '--dps-name',
      'nobodys-dps',
      '--iot-hub-name',
      'contoso-hub',
      '--device-id',
      'thermostat-1',
    ];
    await expectRefusal(() => run(['cleanup', '--cloud', cloudFile, ...target]), { code: 'ERR_', says: /nobodys-dps/ });
  });

  it('a hub that is down', async () => {
    const port = await freePort();
    const flags = [
      '--hub-host-name',
      `hub.localhost:${port}`,
      '--device-id',
      'thermostat-1',
      '--certificate-name',
      join(certs, 'thermostat-1.pfx'),
    ];
    const device = (): Promise<Ended> =>
      run(['device', '--cloud', cloudFile, ...flags, '--attempts', '1', '--state-folder', join(folder, 'state')], {
        env: { CERTIFICATE_PASSWORD: password },
      });
    await expectRefusal(device, {
      code: 'ERR_AGENT_RETRY_EXPIRED',
      says: /Gave up after 1 try.*hub\.localhost.*ECONNREFUSED.*check host, port and firewall/,
    });
  });

  it('an Azure that is down', async () => {
    const down = join(folder, 'down.json');
    const text = (await readFile(cloudFile, 'utf8')).replaceAll(
      /https:\/\/localhost:\d+/g,
      `https://localhost:${await freePort()}`,
    );
    await writeFile(down, text, { mode: 0o600 });
    const names = ['--dps-resource-group', resourceGroup, '--dps-name', dpsName, '--iot-hub-name', 'contoso-hub'];
    const attempt = (): Promise<Ended> =>
      run(['setup', '--cloud', down, ...names, '--cert-folder-path', certs, '--device-id', 'thermostat-1'], {
        env: { ROOT_CERT_PASSWORD: password },
      });
    await expectRefusal(attempt, { code: 'ERR_CONNECTION_REFUSED', says: /localhost/ });
  }, 60_000);

  it('a port that is taken', async () => {
    const port = String(
      (JSON.parse(await readFile(cloudFile, 'utf8')) as { hubSuffix: string }).hubSuffix.split(':')[1],
    );
    await expectRefusal(() => startEmulator(['--mqtt-port', port, '--https-port', '0']).ended, {
      code: port,
      says: /taken|in use/i,
    });
  });

  it('a certificate of the folder that belongs to another line', async () => {
    await expectRefusal(() => setup({ more: ['--line', 'line-2', '--enrollment-group-id', 'line-2'] }), {
      code: 'ERR_CONFLICT',
      says: /issued by CN=line-1.*--force/,
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
