import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { type Ended, runEmulatorCommand, runProgram } from './client-command.ts';
import { type Issued, issue, issueRoot } from './dps-certificates.ts';

const { status } = spawnSync('az', ['version'], { stdio: 'ignore' });
const hasAzureCli = status === 0;
const whyNot = hasAzureCli ? '' : ' (skipped: the Azure CLI is not installed; apt-get install azure-cli)';

/** The commands are those of Microsoft's documents; only `az-setup` has told the CLI where Azure is. */
(hasAzureCli ? describe : describe.skip)(`the Azure CLI, unmodified${whyNot}`, () => {
  let folder: string;
  let emulator: AzureIotEmulator;
  let environment: Record<string, string>;
  let root: Issued;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-az-'));
    emulator = await startAzureIot({ folder });
    root = await issueRoot('Contoso Root');
    await writeFile(join(folder, 'root.pem'), root.pem);
    environment = { HOME: folder, AZURE_CONFIG_DIR: join(folder, 'az'), AZURE_CORE_COLLECT_TELEMETRY: 'no' };
    const setUp = await runEmulatorCommand(['az-setup', '--cloud', emulator.cloudFile ?? ''], environment);
    expect(setUp).toMatchObject({ code: 0, err: '', out: expect.stringContaining('export REQUESTS_CA_BUNDLE=') });
    environment['REQUESTS_CA_BUNDLE'] = join(folder, 'roots.pem');
  }, 60_000);
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  const az = (command: string, ...more: readonly string[]): Promise<Ended> =>
    runProgram('az', [...command.split(' '), ...more], environment);
  const ask = async (command: string, ...more: readonly string[]): Promise<unknown> => {
    const { code, out, err } = await az(command, ...more);
    if (code !== 0) throw new Error(`az ${command}: ${err}`);
    return out === '' ? undefined : JSON.parse(out);
  };

  it('ok: group, hub, DPS and link', async () => {
    expect(await ask('group create --name contoso --location westeurope')).toMatchObject({ name: 'contoso' });
    expect(await ask('group exists --name contoso')).toBe(true);
    expect(await ask('iot hub create --resource-group contoso --name contoso-hub --sku S1')).toMatchObject({
      name: 'contoso-hub',
      properties: { state: 'Active', hostName: `contoso-hub.${emulator.cloud.hubSuffix}` },
    });
    expect(await ask('iot hub list --resource-group contoso')).toMatchObject([{ name: 'contoso-hub' }]);
    expect(await ask('iot hub show --name contoso-hub')).toMatchObject({
      properties: {
        cloudToDevice: { feedback: { lockDurationAsIso8601: '0:00:05' } },
        messagingEndpoints: { fileNotifications: { lockDurationAsIso8601: '0:00:05' } },
      },
    });
    expect(await ask('iot dps create --resource-group contoso --name contoso-dps')).toMatchObject({
      properties: { state: 'Active', idScope: emulator.dps('contoso-dps').idScope },
    });
    const key = emulator.hub('contoso-hub').connectionString('iothubowner');
    await ask('iot dps linked-hub create --dps-name contoso-dps --location westeurope --connection-string', key);
    expect(await ask('iot dps linked-hub list --dps-name contoso-dps')).toMatchObject([
      { name: `contoso-hub.${emulator.cloud.hubSuffix}`, location: 'westeurope' },
    ]);
    expect(await ask('iot dps show --name contoso-dps --resource-group contoso')).toMatchObject({
      properties: { iotHubs: [{ name: `contoso-hub.${emulator.cloud.hubSuffix}` }] },
    });
  }, 120_000);

  it('ok: the root is uploaded and its possession proved, each step with the ETag of the one before', async () => {
    const name = '--dps-name contoso-dps --resource-group contoso --certificate-name root';
    const pem = join(folder, 'root.pem');
    const created = (await ask(`iot dps certificate create ${name} --path`, pem)) as { readonly etag: string };
    const coded = (await ask(`iot dps certificate generate-verification-code ${name} --etag`, created.etag)) as {
      readonly etag: string;
      readonly properties: { readonly verificationCode: string };
    };
    const proof = join(folder, 'proof.pem');
    await writeFile(proof, (await issue({ commonName: coded.properties.verificationCode, issuer: root })).pem);
    const stale = await az(`iot dps certificate verify ${name} --path ${proof} --etag`, created.etag);
    expect([stale.code, stale.err]).toEqual([1, expect.stringContaining('Invalid ETag supplied.')]);
    expect(await ask(`iot dps certificate verify ${name} --path ${proof} --etag`, coded.etag)).toMatchObject({
      properties: { isVerified: true, subject: 'Contoso Root' },
    });
    expect(await ask('iot dps certificate list --dps-name contoso-dps --resource-group contoso')).toMatchObject({
      value: [{ name: 'root' }],
    });
  }, 120_000);

  it('ok: and everything is deleted again; fail: what is gone is not found', async () => {
    await ask(
      'iot dps linked-hub delete --dps-name contoso-dps --linked-hub',
      `contoso-hub.${emulator.cloud.hubSuffix}`,
    );
    await ask('iot dps delete --name contoso-dps --resource-group contoso');
    await ask('iot hub delete --name contoso-hub --resource-group contoso');
    const gone = await az('iot dps show --name contoso-dps --resource-group contoso');
    expect([gone.code === 0, gone.err]).toEqual([false, expect.stringMatching(/not found/i)]);
    await ask('group delete --name contoso --yes');
    expect(await ask('group exists --name contoso')).toBe(false);
  }, 120_000);
});

describe('azure-iot-emulator az-setup', () => {
  let folder: string;
  let emulator: AzureIotEmulator;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-az-setup-'));
    emulator = await startAzureIot({ folder });
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  it('ok: --print shows the commands, without the secret', async () => {
    const { code, out } = await runEmulatorCommand(['az-setup', '--cloud', emulator.cloudFile ?? '', '--print']);
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.split(' --')[0])).toEqual([
      `export REQUESTS_CA_BUNDLE='${join(folder, 'roots.pem')}'`,
      'az cloud register',
      'az cloud update',
      'az cloud set',
      'az login',
      '',
    ]);
    expect(out).toContain(`--endpoint-active-directory https://localhost:${emulator.httpsPort}/adfs `);
    expect(out).not.toContain(emulator.clientSecret);
  });

  it('fail: no Azure CLI, or one that complains', async () => {
    const command = ['az-setup', '--cloud', emulator.cloudFile ?? ''];
    expect(await runEmulatorCommand(command, { PATH: folder })).toMatchObject({
      code: 1,
      err: "error: Can't run 'az cloud register': is the Azure CLI installed?\n",
    });
    await writeFile(join(folder, 'az'), '#!/bin/sh\necho "ERROR: no such thing" >&2\nexit 2\n', { mode: 0o755 });
    expect(await runEmulatorCommand(command, { PATH: `${folder}:/bin` })).toMatchObject({
      code: 1,
      err: "error: 'az cloud register' failed: ERROR: no such thing\n",
    });
  });
});
