import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ArmWire, createArmWire } from './arm-wire.ts';
import { type AzureIotEmulator, startAzureIot } from '../src/start.ts';
import { signToken } from './hub-token.ts';
import { RawClient } from './mqtt-raw-client.ts';

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

  it('ok: assumptions of startAzureIot reach the hubs', async () => {
    await putHub({ name: 'S1', capacity: 1 });
    await expect(connect(`${emulator.hub('h-settings').hostName}/`)).resolves.toBe(5);
  });
});
