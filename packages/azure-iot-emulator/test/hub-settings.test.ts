import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ArmWire, createArmWire } from './arm-wire.ts';
import { type AzureIotEmulator, startAzureIot } from '../src/start.ts';
import { signToken } from './hub-token.ts';
import { RawClient } from './mqtt-raw-client.ts';
import { type Answer, callHttps } from './start-https.ts';

const path = 'resourceGroups/g/providers/Microsoft.Devices/IotHubs/h-settings?api-version=2023-06-30';

let emulator: AzureIotEmulator;
let wire: ArmWire;
let log: string[];

beforeEach(async () => {
  log = [];
  emulator = await startAzureIot({
    quotas: 'enforced',
    assumptions: { hub: { malformedUserName: 5 } },
    log: (line) => log.push(line),
  });
  wire = await createArmWire(emulator);
  await wire('PUT', 'resourceGroups/g?api-version=2021-04-01', { location: 'westeurope' });
});

afterEach(() => emulator.close());

async function putHub(sku: object, properties: object = {}): Promise<void> {
  const { status } = await wire('PUT', path, { location: 'westeurope', sku, properties });
  expect(status).toBeLessThan(300);
}

async function connect(username: string, password = ''): Promise<number> {
  const client = await RawClient.overTls({
    port: emulator.mqttPort,
    ca: emulator.cloud.trustedRootsPem,
    servername: 'localhost',
  });
  const { returnCode } = await client.connect({ clientId: 'd1', username, password: Buffer.from(password) });
  return returnCode!;
}

describe('what Resource Manager says of a hub', () => {
  it('ok: SKU and units decide its quotas, and change with it', async () => {
    await putHub({ name: 'S1', capacity: 2 });
    const { quotas } = emulator.hub('h-settings');
    expect(quotas.tier).toEqual({ sku: 'S1', units: 2 });
    await putHub({ name: 'S3', capacity: 1 });
    expect(quotas.tier).toEqual({ sku: 'S3', units: 1 });
    quotas.useMessages();
    expect(() => quotas.countMessage(1)).toThrow('the 300000000 messages that 1 x S3 has a day are used up');
  });

  it('ok: disableDeviceSAS holds, is shown, and ends with the next PUT', async () => {
    await putHub({ name: 'S1', capacity: 1 }, { disableDeviceSAS: true });
    await expect(wire('GET', path)).resolves.toMatchObject({ body: { properties: { disableDeviceSAS: true } } });
    const hub = emulator.hub('h-settings');
    const { identity } = hub.registry.create('d1', {});
    const resource = `${hub.hostName.replace(/:\d+$/, '')}/devices/d1`;
    const token = signToken({ resource, key: identity.authentication.symmetricKey.primaryKey! });
    const username = `${hub.hostName}/d1/?api-version=2021-04-12`;
    await expect(connect(username, token)).resolves.toBe(5);
    expect(log.join('\n')).toContain('takes no shared access signatures from it, only certificates');
    await putHub({ name: 'S1', capacity: 1 });
    await expect(connect(username, token)).resolves.toBe(0);
  });

  it('ok: the policies of a PUT take the place of those that there are; keys that it doesn’t name stay or are made', async () => {
    await putHub({ name: 'S1', capacity: 1 });
    const hub = emulator.hub('h-settings');
    const [owner] = hub.sharedAccessPolicies;
    const primaryKey = Buffer.alloc(32, 9).toString('base64');
    const authorizationPolicies = [
      { keyName: 'iothubowner', rights: 'RegistryWrite, ServiceConnect, DeviceConnect', primaryKey },
      { keyName: 'reader', rights: 'RegistryRead' },
    ];
    await putHub({ name: 'S1', capacity: 1 }, { authorizationPolicies });
    expect(hub.sharedAccessPolicies).toEqual([
      {
        name: 'iothubowner',
        rights: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'],
        primaryKey,
        secondaryKey: owner!.secondaryKey,
      },
      { name: 'reader', rights: ['RegistryRead'], primaryKey: expect.any(String), secondaryKey: expect.any(String) },
    ]);
    await putHub({ name: 'S1', capacity: 1 }, { authorizationPolicies: [] });
    expect(hub.sharedAccessPolicies).toHaveLength(2);
    for (const wrong of [{ rights: 'RegistryRead', primaryKey: 'not base64' }, { rights: 'All' }]) {
      const body = { location: 'westeurope', sku: { name: 'S1', capacity: 1 } };
      const properties = { authorizationPolicies: [{ keyName: 'iothubowner', ...wrong }] };
      await expect(wire('PUT', path, { ...body, properties })).resolves.toMatchObject({ status: 400 });
    }
    expect(hub.connectionString('iothubowner')).toContain(primaryKey);
  });

  it('fail: what the Basic tier lacks; ok: telemetry and the registry, and all of it after an upgrade', async () => {
    await putHub({ name: 'B1', capacity: 1 });
    const hub = emulator.hub('h-settings');
    const barred = { errorName: 'OperationNotAvailableInCurrentTier', code: 403010, status: 403 };
    const { identity } = hub.registry.create('d1', {});
    expect(() => hub.sendToDevice('d1', { body: Buffer.from('x') })).toThrow(expect.objectContaining(barred));
    expect(() => hub.updateTwin('d1', {}, { mode: 'patch', precondition: 'none' })).toThrow(
      expect.objectContaining(barred),
    );
    await expect(hub.invokeMethod('d1', { methodName: 'm' })).rejects.toMatchObject(barred);
    expect(() => hub.registry.create('edge', { capabilities: { iotEdge: true } })).toThrow(
      expect.objectContaining(barred),
    );
    const resource = `${hub.hostName.replace(/:\d+$/, '')}/devices/d1`;
    const token = signToken({ resource, key: identity.authentication.symmetricKey.primaryKey! });
    const client = await RawClient.overTls({
      port: emulator.mqttPort,
      ca: emulator.cloud.trustedRootsPem,
      servername: 'localhost',
    });
    const username = `${hub.hostName}/d1/?api-version=2021-04-12`;
    await client.connect({ clientId: 'd1', username, password: Buffer.from(token) });
    await client.publish('devices/d1/messages/events/', 'x');
    expect(hub.telemetry.lastSequenceNumber).toBe(1);
    client.send({ cmd: 'publish', topic: '$iothub/twin/GET/?$rid=1', payload: '', qos: 0, dup: false, retain: false });
    await client.ended;
    expect(log.join('\n')).toContain('twins: not in tier B1, which is Basic');
    const call = (method: string, callPath: string): Promise<Answer> =>
      callHttps(emulator, {
        method,
        host: hub.hostName,
        path: callPath,
        headers: {
          authorization: signToken({
            resource: hub.hostName.replace(/:\d+$/, ''),
            key: hub.sharedAccessPolicies[0]!.primaryKey,
            policy: 'iothubowner',
          }),
        },
      });
    const version = '?api-version=2021-04-12';
    for (const [method, barredPath] of [
      ['GET', `/twins/d1${version}`],
      ['DELETE', `/devices/d1/commands${version}`],
      ['GET', `/messages/serviceBound/feedback${version}`],
    ] as const) {
      await expect(call(method, barredPath)).resolves.toMatchObject({
        status: 403,
        headers: { 'iothub-errorcode': 'OperationNotAvailableInCurrentTier' },
      });
    }
    await expect(call('GET', `/devices/d1${version}`)).resolves.toMatchObject({ status: 200 });
    await putHub({ name: 'S1', capacity: 1 });
    await expect(call('GET', `/twins/d1${version}`)).resolves.toMatchObject({ status: 200 });
  });

  it('ok: assumptions of startAzureIot reach the hubs', async () => {
    await putHub({ name: 'S1', capacity: 1 });
    await expect(connect(`${emulator.hub('h-settings').hostName}/`)).resolves.toBe(5);
  });
});
