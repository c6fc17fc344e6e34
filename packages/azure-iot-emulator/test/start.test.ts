import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, EmulatorError, type EmulatorErrorCode, startAzureIot } from '../src/index.ts';
import { createArmWire } from './arm-wire.ts';
import { callHttps } from './start-https.ts';

describe('startAzureIot', () => {
  let folder: string;
  let emulator: AzureIotEmulator;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-start-'));
    emulator = await startAzureIot({ folder: join(folder, 'made') });
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  it('ok: the cloud is plain JSON, and a file of its owner’s alone', async () => {
    const { cloud, cloudFile = '', mqttPort, httpsPort, tenantId, clientId, clientSecret, subscriptionId } = emulator;
    expect(cloudFile).toBe(join(folder, 'made', 'cloud.json'));
    expect((await stat(cloudFile)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(cloudFile, 'utf8'))).toEqual(cloud);
    expect(cloud).toEqual({
      name: 'emulator',
      authorityHost: `https://localhost:${httpsPort}`,
      resourceManagerEndpoint: `https://localhost:${httpsPort}`,
      resourceManagerAudience: 'https://management.azure.com',
      provisioningDeviceEndpoint: `global.azure-devices-provisioning.localhost:${mqttPort}`,
      provisioningServiceSuffix: `azure-devices-provisioning.localhost:${httpsPort}`,
      provisioningServiceAudience: 'https://azure-devices-provisioning.net',
      hubSuffix: `azure-devices.localhost:${mqttPort}`,
      hubAudience: 'https://iothubs.azure.net',
      trustedRootsPem: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\n[\s\S]+-----END CERTIFICATE-----\n$/),
      subscriptionId,
      servicePrincipal: { tenantId, clientId, clientSecret },
      ports: { mqtt: mqttPort, https: httpsPort },
    });
  });

  it('ok: two emulators live side by side, each with its own ports, root, tenant and subscription', async () => {
    const other = await startAzureIot();
    try {
      expect(other.cloudFile).toBeUndefined();
      for (const field of ['mqttPort', 'httpsPort', 'tenantId', 'subscriptionId', 'clientSecret'] as const) {
        expect(other[field]).not.toBe(emulator[field]);
      }
      expect(other.cloud.trustedRootsPem).not.toBe(emulator.cloud.trustedRootsPem);
    } finally {
      await other.close();
    }
  });

  it('ok: each plane answers to its own names and to Microsoft’s, on either port; fail: to no other', async () => {
    const ask = async (host: string, path: string) => (await callHttps(emulator, { method: 'GET', host, path })).body;
    const armRefusal = { error: { code: 'AuthenticationFailed' } };
    expect(await ask('management.azure.com', '/subscriptions?api-version=2021-01-01')).toMatchObject(armRefusal);
    expect(await ask('localhost', '/subscriptions?api-version=2021-01-01')).toMatchObject(armRefusal);
    expect(await ask('login.microsoftonline.com', `/${emulator.tenantId}/discovery/v2.0/keys`)).toMatchObject({
      keys: [{ kty: 'EC' }],
    });
    for (const domain of ['azure-devices-provisioning.net', emulator.cloud.provisioningServiceSuffix]) {
      expect(await ask(`any.${domain}`, '/enrollments/x?api-version=2021-10-01')).toMatchObject({ errorCode: 401002 });
      expect(await ask(`global.${domain}`, '/nothing')).toMatchObject({ errorCode: 501000 });
    }
    for (const domain of ['azure-devices.net', emulator.cloud.hubSuffix]) {
      expect(JSON.stringify(await ask(`any.${domain}`, '/devices/x?api-version=2021-04-12'))).toContain(
        'IotHubNotFound',
      );
    }
    const { status, body } = await callHttps(
      { ...emulator, httpsPort: emulator.mqttPort },
      { method: 'GET', host: 'localhost', path: '/nowhere' },
    );
    expect([status, body]).toMatchObject([404, {}]);
    const elsewhere = await callHttps(emulator, { method: 'GET', path: '/', headers: { host: 'localhost.example' } });
    expect(elsewhere).toMatchObject({ status: 421, body: { error: { code: 'UnknownHost' } } });
  });

  it('ok: hubs and DPS instances are found by name, in any case', async () => {
    const arm = await createArmWire(emulator);
    const body = { location: 'westus', sku: { name: 'S1', capacity: 1 } };
    await arm('PUT', 'resourcegroups/rg?api-version=2021-04-01', { location: 'westus' });
    await arm('PUT', 'resourceGroups/rg/providers/Microsoft.Devices/IotHubs/Hub?api-version=2021-07-02', body);
    await arm(
      'PUT',
      'resourceGroups/rg/providers/Microsoft.Devices/provisioningServices/Dps?api-version=2022-02-05',
      body,
    );
    expect(emulator.hub('hUB').hostName).toBe(`Hub.${emulator.cloud.hubSuffix}`);
    expect(emulator.dps('dPS')).toMatchObject({ name: 'Dps', registrations: [] });
    expect(codeOf(() => emulator.hub('none'))).toBe('ERR_EMULATOR_HUB_MISSING' satisfies EmulatorErrorCode);
    expect(codeOf(() => emulator.dps('none'))).toBe('ERR_EMULATOR_DPS_MISSING' satisfies EmulatorErrorCode);
  });

  it('ok: close frees both ports', async () => {
    const first = await startAzureIot();
    const { mqttPort, httpsPort } = first;
    await first.close();
    const second = await startAzureIot({ mqttPort, httpsPort });
    expect([second.mqttPort, second.httpsPort]).toEqual([mqttPort, httpsPort]);
    await second.close();
  });

  it('fail: a port that is taken, whichever of the two, leaves nothing listening', async () => {
    const [taken, port] = await occupyPort();
    const passing = await startAzureIot();
    const free = passing.mqttPort;
    await passing.close();
    try {
      for (const ports of [
        { mqttPort: free, httpsPort: port },
        { mqttPort: port, httpsPort: free },
      ]) {
        const error = await startAzureIot(ports).catch((cause: unknown) => cause);
        expect(error).toBeInstanceOf(EmulatorError);
        expect(error).toMatchObject({
          code: 'ERR_EMULATOR_PORT_TAKEN',
          message: expect.stringContaining(`Port ${port}`),
        });
      }
      const after = await startAzureIot({ mqttPort: free });
      await after.close();
    } finally {
      taken.close();
    }
  });

  it('fail: a folder that can’t be made', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, 'precious');
    await expect(startAzureIot({ folder: file })).rejects.toMatchObject({
      code: 'ERR_EMULATOR_FOLDER',
      message: expect.stringContaining(join(file, 'cloud.json')),
    });
    expect(await readFile(file, 'utf8')).toBe('precious');
  });
});

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof EmulatorError ? error.code : String(error);
  }
}

async function occupyPort(): Promise<[Server, number]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return [server, (server.address() as { port: number }).port];
}
