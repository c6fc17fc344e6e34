import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createCertificate, withChain } from './hub-certificates.ts';
import { defaultHubAssumptions, hubAssumptionNotes, type HubAssumptions } from '../src/hub/hub-assumptions.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { signToken } from './hub-token.ts';
import { RawDevice } from './hub-raw-device.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

let bed: HubTestBed;
let clock: FakeClock;

afterEach(() => bed.close());

async function open(assumptions: Partial<HubAssumptions> = {}): Promise<RawDevice> {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer, assumptions });
  return RawDevice.register(bed, 'd1');
}

/** Good for a minute. */
function tokenOf(deviceId: string): string {
  const { primaryKey } = bed.hub.registry.require(deviceId).identity.authentication.symmetricKey;
  return signToken({
    resource: `h1.azure-devices.localhost/devices/${deviceId}`,
    key: primaryKey!,
    expiry: clock.now() / 1000 + 60,
  });
}

describe('each assumption can be made otherwise', () => {
  it('ok: all have a source', async () => {
    await open();
    expect(Object.keys(hubAssumptionNotes)).toEqual(Object.keys(defaultHubAssumptions));
    const support = await readFile(new URL('../SUPPORT.md', import.meta.url), 'utf8');
    for (const [name, { mark, source }] of Object.entries(hubAssumptionNotes)) {
      expect(support).toMatch(new RegExp(`\\| \`hub\\.${name}\` .*\\| ${mark} `));
      expect(support).toContain(source);
    }
  });

  it('malformedUserName', async () => {
    await open({ malformedUserName: 5 });
    const client = await bed.rawClient();
    const { returnCode } = await client.connect({ clientId: 'd1', username: 'h1.azure-devices.localhost/' });
    expect(returnCode).toBe(5);
  });

  it('refusedSubscription', async () => {
    const device = await open({ refusedSubscription: 'disconnect' });
    const client = await device.connect();
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'elsewhere/#', qos: 1 }] });
    await client.ended;
    expect(bed.log.at(-1)).toContain('subscription refused, unknown topic filter');
  });

  it('revokedIdentity', async () => {
    const device = await open({ revokedIdentity: 'keep' });
    const client = await device.connect();
    bed.hub.registry.put('d1', { status: 'disabled' }, 'any');
    await client.ping();
    bed.hub.remove('d1');
    await client.ping();
    client.destroy();
  });

  it.each(['disconnect', 'keep'] as const)('expiredCertificate: %s', async (expiredCertificate) => {
    await open({ expiredCertificate });
    const own = await createCertificate('d2', {
      notBefore: new Date('2025-12-01'),
      notAfter: new Date(clock.now() + 60_000),
    });
    const { thumbprintSha256: primary } = own;
    bed.hub.provision({ deviceId: 'd2', thumbprints: { primary, secondary: primary } });
    const client = await bed.rawClient(withChain(own));
    await client.connect({ clientId: 'd2', username: bed.username('d2'), keepalive: 0 });
    clock.advance(60_001);
    if (expiredCertificate === 'keep') {
      await client.ping();
    } else {
      await client.ended;
      expect(bed.log.at(-1)).toContain('the certificate has expired');
    }
    client.destroy();
  });

  it.each(['disconnect', 'keep'] as const)('expiredToken: %s', async (expiredToken) => {
    await open({ expiredToken });
    bed.hub.registry.create('sas', {});
    const client = await bed.rawClient();
    await client.connect({
      clientId: 'sas',
      username: bed.username('sas'),
      password: Buffer.from(tokenOf('sas')),
      keepalive: 0,
    });
    // A minute, and five for clocks that are off.
    clock.advance(360_001);
    if (expiredToken === 'keep') await client.ping();
    else await client.ended;
    client.destroy();
  });

  it('cleanSessionMessages', async () => {
    const device = await open({ cleanSessionMessages: 'keep' });
    bed.hub.sendToDevice('d1', { body: Buffer.from('x') });
    const client = await device.connect({ clean: true });
    await client.subscribe('devices/d1/messages/devicebound/#');
    await expect(client.next('publish')).resolves.toMatchObject({ payload: Buffer.from('x') });
    client.destroy();
  });

  it.each([
    ['redeliver', true],
    ['wait', false],
  ] as const)('expiredLock: %s', async (expiredLock, isSentAgain) => {
    const device = await open({ expiredLock });
    const client = await device.connect();
    await client.subscribe('devices/d1/messages/devicebound/#');
    bed.hub.sendToDevice('d1', { body: Buffer.from('x') });
    const first = await client.next('publish');
    clock.advance(59_999);
    await client.ping();
    expect(client.unread).toEqual([]);
    clock.advance(1);
    await client.ping();
    expect(client.unread).toEqual(
      isSentAgain ? [expect.objectContaining({ dup: true, messageId: first.messageId, topic: first.topic })] : [],
    );
    client.send({ cmd: 'puback', messageId: first.messageId! });
    await client.ping();
    expect(bed.hub.twinOf('d1')).toMatchObject({ cloudToDeviceMessageCount: 0 });
    client.destroy();
  });

  it.each([
    ['keep', { tags: { a: 1 }, properties: { desired: { b: 2 } } }],
    ['clear', { tags: {}, properties: { desired: { $version: 3 } } }],
  ] as const)('twinPutMissingSection: %s', async (twinPutMissingSection, twin) => {
    await open({ twinPutMissingSection });
    await bed.call('PATCH', '/twins/d1', { body: { tags: { a: 1 }, properties: { desired: { b: 2 } } } });
    const answer = await bed.call('PUT', '/twins/d1', { body: {} });
    expect(answer.body).toMatchObject(twin);
  });

  it.each([
    ['nulls', '{"a":null,"$version":3}'],
    ['silent', '{"$version":3}'],
  ] as const)('removedDesiredProperties: %s', async (removedDesiredProperties, payload) => {
    const device = await open({ removedDesiredProperties });
    await bed.call('PATCH', '/twins/d1', { body: { properties: { desired: { a: 1 } } } });
    const client = await device.connect();
    await client.subscribe('$iothub/twin/PATCH/properties/desired/#');
    await bed.call('PATCH', '/twins/d1', { body: { properties: { desired: null } } });
    expect((await client.next('publish')).payload.toString()).toBe(payload);
    client.destroy();
  });

  it.each([
    [502, 'InvalidDeviceResponse'],
    [504, 'GatewayTimeout'],
  ] as const)('malformedMethodAnswer: %s', async (malformedMethodAnswer, errorName) => {
    const device = await open({ malformedMethodAnswer });
    const client = await device.connect();
    await client.subscribe('$iothub/methods/POST/#', 0);
    const call = bed.call('POST', '/twins/d1/methods', { body: { methodName: 'm' } });
    await client.next('publish');
    device.send('$iothub/methods/res/200/?$rid=1', '{');
    await expect(call).resolves.toMatchObject({
      status: malformedMethodAnswer,
      headers: { 'iothub-errorcode': errorName },
    });
    client.destroy();
  });

  it('methodsInFlight, and the limit of an answer', async () => {
    const device = await open({ methodsInFlight: 1 });
    const client = await device.connect();
    await client.subscribe('$iothub/methods/POST/#', 0);
    const call = () => bed.call('POST', '/twins/d1/methods', { body: { methodName: 'm' } });
    const first = call();
    await client.next('publish');
    await expect(call()).resolves.toMatchObject({
      status: 403,
      headers: { 'iothub-errorcode': 'DeviceMaximumInflightMethodExceeded' },
    });
    device.send('$iothub/methods/res/200/?$rid=1', JSON.stringify('x'.repeat(128 * 1024)));
    await expect(first).resolves.toMatchObject({ status: 413, headers: { 'iothub-errorcode': 'MessageTooLarge' } });
    client.destroy();
  });

  it.each([401, 403] as const)('missingRight: %s', async (missingRight) => {
    await open({ missingRight });
    await expect(bed.call('GET', '/twins/d1', { policy: 'registryRead' })).resolves.toMatchObject({
      status: missingRight,
      headers: { 'iothub-errorcode': 'IotHubUnauthorizedAccess' },
    });
  });
});

describe('shared access signatures taken away', () => {
  it('disableDeviceSas: certificates alone let a device in', async () => {
    const device = await open();
    bed.hub.setLocalAuthentication({ disableDeviceSas: true, disableModuleSas: false, disableLocalAuth: false });
    (await device.connect()).destroy();
    bed.hub.registry.create('sas', {});
    const client = await bed.rawClient();
    const { returnCode } = await client.connect({
      clientId: 'sas',
      username: bed.username('sas'),
      password: Buffer.from(tokenOf('sas')),
    });
    expect([returnCode, bed.log.at(-1)]).toEqual([5, expect.stringContaining('only certificates')]);
  });

  it('disableLocalAuth: the service plane takes tokens of Entra ID alone', async () => {
    await open();
    bed.hub.setLocalAuthentication({ disableDeviceSas: false, disableModuleSas: false, disableLocalAuth: true });
    await expect(bed.call('GET', '/devices/d1')).resolves.toMatchObject({
      status: 401,
      body: { Message: expect.stringContaining('disableLocalAuth') },
    });
  });
});
