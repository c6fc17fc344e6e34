import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, type Seed, startAzureIot, type StartAzureIotOptions } from '../src/index.ts';
import { createArmWire } from './arm-wire.ts';
import { type EmulatorProcess, startLibrary } from './data-process.ts';
import { signToken } from './hub-token.ts';
import { RawClient } from './mqtt-raw-client.ts';
import { type Answer, callHttps } from './start-https.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const keys = { type: 'sas', symmetricKey: { primaryKey: key, secondaryKey: key } };
const seed: Seed = {
  hubs: [{ name: 'hub-1', sku: 'F1', devices: [{ deviceId: 'd1', authentication: keys }] }],
  provisioningServices: [
    {
      name: 'dps-1',
      linkedHubs: ['hub-1'],
      enrollments: [{ registrationId: 'd9', attestation: { type: 'symmetricKey', symmetricKey: keys.symmetricKey } }],
    },
  ],
};

describe('what a data folder keeps when the process is killed', () => {
  let folder: string;
  let emulator: AzureIotEmulator | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-kept-'));
  });
  afterEach(async () => {
    await emulator?.close();
    emulator = undefined;
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A process that works, is killed, and goes on in this one. */
  async function killed(
    name: string,
    options: StartAzureIotOptions,
    work: (process: EmulatorProcess) => Promise<void>,
  ): Promise<AzureIotEmulator> {
    const kept = { ...options, dataFolder: join(folder, name) };
    const child = await startLibrary({ ...kept, folder: kept.dataFolder, seed });
    try {
      await work(child);
    } finally {
      await child.kill();
    }
    return (emulator = await startAzureIot(kept));
  }

  it('ok: feedback that no back end has fetched, in batches and on their way into one, and the lock of one', async () => {
    let lockToken = '';
    const expireAll = async (child: EmulatorProcess): Promise<void> => {
      const sent = await child.callHub('POST', '/devices/d1/messages/devicebound', { body: 'x', ack: 'full' });
      expect(sent.status).toBe(201);
      expect((await child.callHub('DELETE', '/devices/d1/commands')).status).toBe(200);
    };
    const again = await killed('feedback', {}, async (child) => {
      // A batch is closed by its 64th record, or 15 s after its first.
      for (let count = 0; count < 65; count += 1) await expireAll(child);
      const { headers, body } = await child.callHub('GET', '/messages/serviceBound/feedback');
      expect(body).toHaveLength(64);
      lockToken = String(headers['etag']).replaceAll('"', '');
    });
    const host = again.hub('hub-1').feedbackEndpoint;
    expect(host.receive()).toBeUndefined();
    again.clock.advance(16_000);
    expect(host.receive()).toMatchObject({ sequenceNumber: 2, records: [{ statusCode: 'Purged', deviceId: 'd1' }] });
    host.complete(lockToken);
    expect(() => host.complete(lockToken)).toThrow(/locked/);
  });

  it('ok: what counted against the quota of the day', async () => {
    const again = await killed('quota', { quotas: 'enforced' }, async (child) => {
      const host = 'hub-1.azure-devices.localhost';
      const client = await RawClient.overTls({
        port: child.mqttPort,
        ca: child.cloud.trustedRootsPem,
        servername: host,
      });
      await client.connect({
        clientId: 'd1',
        username: `${host}:${child.mqttPort}/d1/?api-version=2021-04-12`,
        password: Buffer.from(signToken({ resource: `${host}/devices/d1`, key })),
      });
      // F1 counts 0.5 KB as a message.
      for (let count = 0; count < 2; count += 1)
        await client.publish('devices/d1/messages/events/', Buffer.alloc(51_200));
    });
    const { quotas } = again.hub('hub-1');
    expect(quotas.messagesToday).toBe(200);
    again.clock.advance(86_400_000);
    expect(quotas.messagesToday).toBe(0);
  });

  it('ok: polls of the last ten seconds, and how often a device has registered', async () => {
    const dps = (
      target: Parameters<typeof callHttps>[0],
      idScope: string,
      path: string,
      body?: object,
    ): Promise<Answer> =>
      callHttps(target, {
        method: body ? 'PUT' : 'GET',
        host: target.cloud.provisioningDeviceEndpoint,
        path: `/${idScope}/registrations/d9/${path}?api-version=2021-06-01`,
        headers: {
          'content-type': 'application/json',
          authorization: signToken({ resource: `${idScope}/registrations/d9`, key, policy: 'registration' }),
        },
        body,
      });
    const time = Date.now();
    let operation = '';
    let idScope = '';
    const again = await killed('polls', {}, async (child) => {
      const group = `/subscriptions/${child.cloud.subscriptionId}/resourceGroups/emulator`;
      const service = await child.callArm(
        'GET',
        `${group}/providers/Microsoft.Devices/provisioningServices/dps-1?api-version=2022-02-05`,
      );
      ({ idScope } = (service.body as { properties: { idScope: string } }).properties);
      const target = { cloud: child.cloud, httpsPort: child.httpsPort } as Parameters<typeof callHttps>[0];
      await dps(target, idScope, 'register', { registrationId: 'd9' });
      const accepted = await dps(target, idScope, 'register', { registrationId: 'd9' });
      operation = `operations/${(accepted.body as { operationId: string }).operationId}`;
      for (let poll = 0; poll < 5; poll += 1) expect((await dps(target, idScope, operation)).status).toBe(200);
    });
    expect(again.dps('dps-1').registerCalls('d9')).toBe(2);
    // However long the restart took.
    again.clock.set(time + 5000);
    expect(await dps(again, idScope, operation)).toMatchObject({ status: 429 });
    again.clock.advance(20_000);
    expect(await dps(again, idScope, operation)).toMatchObject({ status: 200 });
  });

  it('ok: who the emulator is, with a new server certificate where the kept one is near its end', async () => {
    let rootPem = '';
    const again = await killed('identity', { time: Date.now() + 350 * 86_400_000 }, (child) => {
      rootPem = child.cloud.trustedRootsPem;
      return Promise.resolve();
    });
    expect(again.cloud.trustedRootsPem).toBe(rootPem);
    await again.close();
    emulator = await startAzureIot({ dataFolder: join(folder, 'identity'), time: Date.now() + 800 * 86_400_000 });
    expect(emulator.cloud.trustedRootsPem).toBe(rootPem);
    expect((await callHttps(emulator, { method: 'GET', path: '/emulator/ready' })).status).toBe(200);
  });

  it('ok: operations of Resource Manager go on where they were', async () => {
    const hub = 'resourceGroups/emulator/providers/Microsoft.Devices/IotHubs/hub-1?api-version=2023-06-30';
    let operation = '';
    const again = await killed('operations', { operationPolls: 3 }, async (child) => {
      const path = `/subscriptions/${child.cloud.subscriptionId}/${hub}`;
      const { status, headers } = await child.callArm('DELETE', path);
      expect(status).toBe(202);
      operation = String(headers['azure-asyncoperation']).replace(/^https:\/\/[^/]+/, '');
      expect((await child.callArm('GET', operation)).body).toEqual({ status: 'Running' });
    });
    const arm = await createArmWire(again);
    await expect(arm('GET', hub)).resolves.toMatchObject({ status: 200, body: { properties: { state: 'Deleting' } } });
    await expect(arm('GET', operation)).resolves.toMatchObject({ body: { status: 'Running' } });
    await expect(arm('GET', operation)).resolves.toMatchObject({ body: { status: 'Succeeded' } });
    await expect(arm('GET', hub)).resolves.toMatchObject({ status: 404 });
  });
});
