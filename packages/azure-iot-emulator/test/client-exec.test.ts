import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { runEmulatorCommand, runProgram } from './client-command.ts';
import { createLinkedServices, createManagementClients, ownerConnectionString } from './start-clients.ts';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe('azure-iot-emulator exec: programs written for Azure, as they are', () => {
  let folder: string;
  let emulator: AzureIotEmulator;
  const names = { group: 'contoso', hub: 'contoso-hub', dps: 'contoso-dps' };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-exec-'));
    emulator = await startAzureIot({ folder: join(folder, 'cloud') });
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  it('ok: with an emulator of its own: every client of Microsoft’s under Azure’s names; exit code and arguments are passed on', async () => {
    const temporary = await mkdtemp(join(folder, 'own-'));
    const { code, out, err } = await runEmulatorCommand(
      ['exec', '--', process.execPath, file('client-azure-program.mjs'), '--flag', 'two words'],
      { TMPDIR: temporary },
    );
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual({
      devices: ['over-http', 'over-mqtt', 'over-websocket'],
      total: 3,
      hostName: 'contoso-hub.azure-devices.net',
      arguments: ['--flag', 'two words'],
    });
    expect(code).toBe(7);
    expect(await readdir(temporary)).toEqual([]);
  }, 120_000);

  it('ok: with one that runs already: the names that Resource Manager says lead back too, ports and all', async () => {
    const clients = createManagementClients(emulator);
    await createLinkedServices(clients, names);
    const { code, out, err } = await runEmulatorCommand(
      ['exec', '--cloud', emulator.cloudFile ?? '', '--', process.execPath, file('client-hub-program.mjs')],
      { CONNECTION_STRING: await ownerConnectionString(clients.hubs, names) },
    );
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({ created: 'by-exec', received: 'by-exec' });
    expect(emulator.hub(names.hub).hasDevice('by-exec')).toBe(true);
  }, 120_000);

  it('ok: whatever way a program connects, in its children too, and nothing else is led elsewhere', async () => {
    const { code, out, err } = await runEmulatorCommand([
      ...['exec', '--cloud', emulator.cloudFile ?? '', '--', process.execPath],
      ...['-e', `require('node:child_process').fork(process.argv[1])`, file('client-hook-program.mjs')],
    ]);
    expect([code, err]).toEqual([0, '']);
    const unauthenticated = [401, 'AuthenticationFailed'];
    expect(JSON.parse(out)).toEqual({
      fetch: unauthenticated,
      https: unauthenticated,
      socket: '127.0.0.1',
      mqttPort: emulator.mqttPort,
      amqp: expect.stringContaining('some-hub.azure-devices.net:5671 is AMQP') as unknown as string,
      lookup: '127.0.0.1',
      promisedLookup: '127.0.0.1',
      localName: 401,
      own: 'an own server',
      tlsName: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  }, 120_000);

  it('ok: an emulator on another address of this machine', async () => {
    const elsewhere = await startAzureIot({ host: '127.0.0.2', folder: join(folder, 'elsewhere') });
    try {
      expect(elsewhere.cloud.ports.address).toBe('127.0.0.2');
      const script = `fetch('https://management.azure.com/subscriptions').then(({ status }) => console.log(status))`;
      const ran = await runEmulatorCommand([
        ...['exec', '--cloud', elsewhere.cloudFile ?? '', '--', process.execPath, '-e', script],
      ]);
      expect([ran.code, ran.out]).toEqual([0, '401\n']);
      const hosts = await runEmulatorCommand(['hosts', '--cloud', elsewhere.cloudFile ?? '']);
      expect(hosts.out).toContain('127.0.0.2 management.azure.com\n');
    } finally {
      await elsewhere.close();
    }
  }, 60_000);

  it('ok: roots, options and proxy exceptions that are set already stay', async () => {
    const roots = join(folder, 'own-roots.pem');
    await writeFile(roots, '# a root of the user\n');
    const show = `const fs = require('node:fs'); const { NODE_OPTIONS, NODE_EXTRA_CA_CERTS, NO_PROXY } = process.env;
      console.log(JSON.stringify({ NODE_OPTIONS, NO_PROXY, roots: fs.readFileSync(NODE_EXTRA_CA_CERTS, 'utf8') }));`;
    const { out } = await runEmulatorCommand(
      ['exec', '--cloud', emulator.cloudFile ?? '', '--', process.execPath, '-e', show],
      { NODE_EXTRA_CA_CERTS: roots, NODE_OPTIONS: '--no-warnings', NO_PROXY: 'intranet' },
    );
    expect(JSON.parse(out)).toEqual({
      NODE_OPTIONS: expect.stringMatching(/^--no-warnings --import=file:.*\/dist\/redirect\/hook\.js$/),
      NO_PROXY: expect.stringMatching(/^intranet,management\.azure\.com,/),
      roots: `${emulator.cloud.trustedRootsPem}\n# a root of the user\n`,
    });
  }, 120_000);

  it('fail: a program that there isn’t, a file that is no cloud file, a program that a signal ends', async () => {
    expect(await runEmulatorCommand(['exec', '--', join(folder, 'nothing')])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: Can't run '.*nothing': .*ENOENT/),
    });
    const text = join(folder, 'some.json');
    await writeFile(text, '{"name":"public"}');
    for (const path of [text, join(folder, 'missing.json')]) {
      for (const command of [
        ['exec', '--cloud', path, '--', 'true'],
        ['env', '--cloud', path],
        ['hosts', '--cloud', path],
      ]) {
        expect(await runEmulatorCommand(command)).toMatchObject({
          code: 1,
          out: '',
          err: expect.stringContaining(`error: ${path} is no cloud file of a running emulator`),
        });
      }
    }
    const killed = await runEmulatorCommand([
      ...['exec', '--cloud', emulator.cloudFile ?? '', '--'],
      ...[process.execPath, '-e', 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)'],
    ]);
    expect(killed.code).toBe(143);
  }, 120_000);

  it('ok: what a seed declares is there before the program is', async () => {
    const seed = join(folder, 'seed.json');
    await writeFile(seed, JSON.stringify({ hubs: [{ name: 'seeded-hub', devices: [{ deviceId: 'thermostat' }] }] }));
    const script = `
      const { IotHubClient } = require('@azure/arm-iothub');
      const { DefaultAzureCredential } = require('@azure/identity');
      const hubs = new IotHubClient(new DefaultAzureCredential(), process.env.AZURE_SUBSCRIPTION_ID).iotHubResource;
      (async () => { for await (const { properties } of hubs.listBySubscription()) console.log(properties.hostName); })();`;
    const program = join(fileURLToPath(new URL('.', import.meta.url)), `.seeded-${process.pid}.cjs`);
    await writeFile(program, script);
    try {
      const { out, err } = await runEmulatorCommand([
        'exec',
        '--quiet',
        '--seed',
        seed,
        '--',
        process.execPath,
        program,
      ]);
      expect([out, err]).toEqual(['seeded-hub.azure-devices.net\n', '']);
    } finally {
      await rm(program);
    }
    const both = await runEmulatorCommand(['exec', '--seed', seed, '--cloud', emulator.cloudFile ?? '', '--', 'true']);
    expect([both.code, both.err]).toEqual([1, expect.stringContaining('cannot be used with')]);
  }, 120_000);

  it('ok: env: a shell that has taken the lines finds the emulator', async () => {
    const { out, code } = await runEmulatorCommand(['env', '--cloud', emulator.cloudFile ?? '']);
    expect([code, out]).toEqual([0, expect.stringContaining(`export AZURE_TENANT_ID='${emulator.tenantId}'\n`)]);
    const script = `eval "$LINES"; exec "$NODE" -e 'fetch("https://management.azure.com/subscriptions?api-version=2021-01-01").then((r) => console.log(r.status, process.env.AZURE_CLIENT_SECRET))'`;
    const shell = await runProgram('sh', ['-c', script], { LINES: out, NODE: process.execPath });
    expect([shell.out, shell.err]).toEqual([`401 ${emulator.clientSecret}\n`, '']);
  }, 120_000);

  it('ok: hosts: the names of what is there and of what will be; fail: nobody is there any more', async () => {
    const past = await startAzureIot({ folder: join(folder, 'past') });
    await past.close();
    const { out } = await runEmulatorCommand(['hosts', '--cloud', emulator.cloudFile ?? '', '--hub', 'Later-Hub']);
    expect(out.split('\n')).toEqual([
      '127.0.0.1 management.azure.com',
      '127.0.0.1 login.microsoftonline.com',
      '127.0.0.1 global.azure-devices-provisioning.net',
      '127.0.0.1 global.azure-devices-provisioning.localhost',
      '127.0.0.1 contoso-hub.azure-devices.net',
      '127.0.0.1 contoso-hub.azure-devices.localhost',
      '127.0.0.1 later-hub.azure-devices.net',
      '127.0.0.1 later-hub.azure-devices.localhost',
      '127.0.0.1 contoso-dps.azure-devices-provisioning.net',
      '127.0.0.1 contoso-dps.azure-devices-provisioning.localhost',
      '',
    ]);
    expect(await runEmulatorCommand(['hosts', '--cloud', past.cloudFile ?? ''])).toMatchObject({
      code: 1,
      err: expect.stringContaining('is it still running?'),
    });
  }, 120_000);
});
