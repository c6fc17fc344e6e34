import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createCertificate, type TestCertificate, withChain } from './hub-certificates.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { signToken, type TokenOptions } from './hub-token.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import type { RawClient } from './mqtt-raw-client.ts';

const minuteMs = 60_000;
const key = Buffer.alloc(32, 1).toString('base64');
const otherKey = Buffer.alloc(32, 2).toString('base64');

let root: TestCertificate;
let line: TestCertificate;
let leaf: TestCertificate;
let stranger: TestCertificate;
let bed: HubTestBed;
let clock: FakeClock;
let clients: RawClient[];

beforeAll(async () => {
  const validity = { notBefore: new Date('2025-12-01'), notAfter: new Date('2026-02-01') };
  root = await createCertificate('root', { ...validity, isAuthority: true });
  line = await createCertificate('line', { ...validity, issuer: root, isAuthority: true });
  leaf = await createCertificate('d1', { ...validity, issuer: line });
  stranger = await createCertificate('d1', validity);
});

beforeEach(async () => {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer });
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.destroy();
  await bed.close();
});

interface Connecting {
  readonly certificate?: { readonly cert: string; readonly key: string };
  readonly deviceId?: string;
  readonly clientId?: string;
  readonly username?: string;
  readonly password?: string;
  readonly clean?: boolean;
  readonly will?: { topic: string; payload: Buffer };
}

async function connect(
  options: Connecting = {},
): Promise<{ client: RawClient; returnCode: number; sessionPresent: boolean }> {
  const { deviceId = 'd1', password, will } = options;
  const client = await bed.rawClient(options.certificate);
  clients.push(client);
  const { returnCode = -1, sessionPresent } = await client.connect({
    clientId: options.clientId ?? deviceId,
    username: options.username ?? bed.username(deviceId),
    clean: options.clean ?? true,
    ...(password !== undefined && { password: Buffer.from(password) }),
    ...(will && { will: { ...will, qos: 1 as const, retain: false } }),
  });
  return { client, returnCode, sessionPresent };
}

function registerByThumbprint(thumbprint: string, secondary = thumbprint): void {
  bed.hub.provision({ deviceId: 'd1', thumbprints: { primary: thumbprint, secondary } });
}

function registerByAuthority(): void {
  bed.hub.registry.create('d1', { authentication: { type: 'certificateAuthority' } });
}

function registerByKey(): void {
  bed.hub.provision({ deviceId: 'd1', symmetricKeys: { primary: key, secondary: otherKey } });
}

async function connected(options: Connecting = {}): Promise<RawClient> {
  if (!bed.hub.hasDevice('d1')) registerByThumbprint(leaf.thumbprintSha256);
  const { client, returnCode } = await connect({ certificate: withChain(leaf), ...options });
  expect(returnCode).toBe(0);
  return client;
}

describe('who gets in with a certificate', () => {
  it.each([
    ['SHA-1', () => registerByThumbprint(leaf.thumbprintSha1)],
    ['SHA-256', () => registerByThumbprint(leaf.thumbprintSha256)],
    ['lower case', () => registerByThumbprint(leaf.thumbprintSha256.toLowerCase())],
    ['secondary', () => registerByThumbprint('0'.repeat(40), leaf.thumbprintSha1)],
  ])('ok: by thumbprint, %s', async (_name, register) => {
    register();
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 0 });
  });

  it.each([
    ['root verified, intermediate presented', () => [withChain(leaf, line), root] as const],
    ['root verified, whole chain presented', () => [withChain(leaf, line, root), root] as const],
    ['intermediate verified, leaf alone', () => [withChain(leaf), line] as const],
  ])('ok: by CA, %s', async (_name, make) => {
    const [certificate, authority] = make();
    registerByAuthority();
    bed.hub.setCertificateAuthorities([{ name: 'ca', certificateDer: authority.der, isVerified: true }]);
    await expect(connect({ certificate })).resolves.toMatchObject({ returnCode: 0 });
  });

  it.each<[string, () => Connecting, string]>([
    ['no certificate', () => ({}), 'no client certificate was presented'],
    ['another certificate', () => ({ certificate: withChain(stranger) }), "is none of the identity's thumbprints"],
    ['a password instead', () => ({ password: deviceToken() }), 'no client certificate was presented'],
  ])('fail: by thumbprint, %s', async (_name, make, reason) => {
    registerByThumbprint(leaf.thumbprintSha256);
    await expect(connect(make())).resolves.toMatchObject({ returnCode: 5, sessionPresent: false });
    expect(bed.log.join('\n')).toContain(reason);
  });

  it('fail: by thumbprint, expired and not yet valid', async () => {
    registerByThumbprint(leaf.thumbprintSha256);
    clock.advance(60 * 24 * 60 * minuteMs);
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 5 });
    clock.advance(-120 * 24 * 60 * minuteMs);
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.filter((entry) => entry.includes("the certificate 'CN=d1' is valid from"))).toHaveLength(2);
  });

  it.each<[string, () => [Connecting, boolean], string]>([
    ['no certificate', () => [{}, true], 'no client certificate was presented'],
    ['intermediate left out', () => [{ certificate: withChain(leaf) }, true], 'leads to no verified CA of this hub'],
    ['root not verified', () => [{ certificate: withChain(leaf, line) }, false], 'leads to no verified CA of this hub'],
    ['self-signed', () => [{ certificate: withChain(stranger) }, true], 'leads to no verified CA of this hub'],
    [
      'CN of another device',
      () => [{ certificate: withChain(leaf, line), deviceId: 'd2' }, true],
      "the certificate's CN is 'd1', the device ID is 'd2'",
    ],
  ])('fail: by CA, %s', async (_name, make, reason) => {
    const [options, isVerified] = make();
    registerByAuthority();
    bed.hub.registry.create('d2', { authentication: { type: 'certificateAuthority' } });
    bed.hub.setCertificateAuthorities([{ name: 'root', certificateDer: root.der, isVerified }]);
    await expect(connect(options)).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.join('\n')).toContain(reason);
  });

  it('fail: by CA, expired intermediate', async () => {
    registerByAuthority();
    bed.hub.setCertificateAuthorities([{ name: 'root', certificateDer: root.der, isVerified: true }]);
    clock.advance(60 * 24 * 60 * minuteMs);
    await expect(connect({ certificate: withChain(leaf, line) })).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.join('\n')).toContain('expired');
  });

  it('fail: an identity without a credential', async () => {
    bed.hub.registry.create('d1', { authentication: { type: 'none' } });
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.join('\n')).toContain('no credential of its own');
  });
});

function deviceToken(options: Partial<TokenOptions> = {}): string {
  const expiry = Math.floor(clock.now() / 1000) + 3600;
  return signToken({ resource: 'h1.azure-devices.localhost/devices/d1', key, expiry, ...options });
}

function policyToken(policy: string): string {
  const { primaryKey } = bed.hub.sharedAccessPolicies.find(({ name }) => name === policy)!;
  return deviceToken({ policy, key: primaryKey, resource: 'h1.azure-devices.localhost' });
}

describe('who gets in with a shared access signature', () => {
  it.each<[string, () => string]>([
    ['primary key', () => deviceToken()],
    ['secondary key', () => deviceToken({ key: otherKey })],
    ['resource with the port', () => deviceToken({ resource: `${bed.hub.hostName}/devices/d1` })],
    ['Azure’s host name', () => deviceToken({ resource: 'h1.azure-devices.net/devices/d1' })],
    [
      'escapes in lower case',
      () => deviceToken({ encode: (text) => encodeURIComponent(text).replaceAll('%2F', '%2f') }),
    ],
    ['policy with DeviceConnect', () => policyToken('device')],
    ['expired less than five minutes ago', () => deviceToken({ expiry: Math.floor(clock.now() / 1000) - 299 })],
  ])('ok: %s', async (_name, password) => {
    registerByKey();
    await expect(connect({ password: password() })).resolves.toMatchObject({ returnCode: 0 });
  });

  it.each<[string, () => string, string]>([
    ['no token', () => 'secret', 'is no shared access signature'],
    ['wrong key', () => deviceToken({ key: Buffer.alloc(32, 3).toString('base64') }), "not made with the device's key"],
    ['another device', () => deviceToken({ resource: 'h1.azure-devices.localhost/devices/d' }), 'is for '],
    ['another hub', () => deviceToken({ resource: 'h2.azure-devices.localhost/devices/d1' }), 'is for '],
    ['expired', () => deviceToken({ expiry: Math.floor(clock.now() / 1000) - 301 }), 'has expired'],
    ['policy without DeviceConnect', () => policyToken('service'), 'a policy that has DeviceConnect: service'],
    ['unknown policy', () => deviceToken({ policy: 'nobody' }), 'a policy that has DeviceConnect: nobody'],
    ['empty signature', () => 'SharedAccessSignature sr=a&sig=&se=9999999999', 'is for '],
    ['malformed expiry', () => deviceToken().replace(/se=\d+/, 'se=x'), 'is no shared access signature'],
    ['malformed escape', () => 'SharedAccessSignature sr=%zz&sig=a&se=1', 'is no shared access signature'],
  ])('fail: %s', async (_name, password, reason) => {
    registerByKey();
    await expect(connect({ password: password() })).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.join('\n')).toContain(reason);
  });

  it('ok: the session ends with the token, five minutes of grace included', async () => {
    registerByKey();
    const { client } = await connect({ password: deviceToken({ expiry: Math.floor(clock.now() / 1000) + 30 }) });
    for (let minute = 0; minute < 5; minute += 1) {
      clock.advance(minuteMs);
      await client.ping();
    }
    clock.advance(30_000);
    await client.ended;
    expect(bed.log.join('\n')).toContain('the shared access signature has expired');
  });

  it('ok: telemetry says how the device came in', async () => {
    registerByKey();
    for (const password of [deviceToken(), policyToken('device')]) {
      const { client } = await connect({ password });
      await client.publish('devices/d1/messages/events/', 'x');
    }
    expect(
      bed.hub.telemetry.list().map(({ systemProperties }) => systemProperties['iothub-connection-auth-method']),
    ).toEqual([
      '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
      '{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
    ]);
  });
});

describe('user name and client ID', () => {
  it.each([
    'h1.azure-devices.localhost/d1/?api-version=2021-04-12',
    'H1.AZURE-DEVICES.LOCALHOST/d1/?api-version=2021-04-12&DeviceClientType=a%2Fb(c/d)',
    'h1.azure-devices.net/d1/?api-version=2021-04-12',
    'h1.device.azure-devices.net/d1/?api-version=2021-04-12',
    'h1.azure-devices.localhost:1/d1',
  ])('ok: %s', async (username) => {
    registerByThumbprint(leaf.thumbprintSha256);
    await expect(connect({ certificate: withChain(leaf), username })).resolves.toMatchObject({ returnCode: 0 });
  });

  it.each([
    ['another hub', { username: 'h2.azure-devices.localhost/d1/?api-version=2021-04-12' }, 5, 'there is no hub h2'],
    ['an unknown device', { deviceId: 'D1' }, 5, "device 'D1' is not registered at hub h1"],
    ['another client ID', { clientId: 'd2' }, 5, "client ID 'd2' has to be 'd1', as in the user name"],
    [
      'an unknown module',
      { clientId: 'd1/m', username: 'h1.azure-devices.localhost/d1/m/?api-version=1' },
      5,
      "module 'd1/m' is not registered at hub h1",
    ],
    [
      'no device',
      { username: 'h1.azure-devices.localhost/' },
      4,
      'is not {host}/{deviceId}[/{moduleId}]/?api-version=...',
    ],
    ['no host', { username: 'd1' }, 5, "no service behind the user name 'd1'"],
  ])('fail: %s', async (_name, options, returnCode, reason) => {
    registerByThumbprint(leaf.thumbprintSha256);
    await expect(connect({ certificate: withChain(leaf), ...options })).resolves.toMatchObject({ returnCode });
    expect(bed.log.join('\n')).toContain(reason);
  });

  it('fail: a disabled device, and any device once the hub is deleted', async () => {
    registerByThumbprint(leaf.thumbprintSha256);
    const device = bed.hub.registry.require('d1');
    bed.hub.registry.update(device, { status: 'disabled' });
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 5 });
    bed.hub.registry.update(device, { status: 'enabled' });
    const { client } = await connect({ certificate: withChain(leaf) });
    bed.hub.close();
    await client.ended;
    await expect(connect({ certificate: withChain(leaf) })).resolves.toMatchObject({ returnCode: 5 });
    expect(bed.log.join('\n')).toContain('hub h1 is deleted');
  });
});

describe('a session and its end', () => {
  it('ok: a newer connection of the same device takes over', async () => {
    const first = await connected();
    const second = await connected();
    await first.ended;
    await second.ping();
    expect(bed.hub.isConnected('d1')).toBe(true);
    expect(bed.log.join('\n')).toContain('a newer connection of the same device');
  });

  it('ok: disabling and deleting an identity drop the connection', async () => {
    const first = await connected();
    const device = bed.hub.registry.require('d1');
    bed.hub.registry.update(device, { status: 'disabled' });
    await first.ended;
    bed.hub.registry.update(device, { status: 'enabled' });
    const second = await connected();
    bed.hub.remove('d1');
    await second.ended;
    expect(bed.hub.isConnected('d1')).toBe(false);
  });

  it('ok: connection state and times follow the connection', async () => {
    registerByThumbprint(leaf.thumbprintSha256);
    const { body: before } = await bed.call('GET', '/devices/d1');
    expect(before).toMatchObject({
      connectionState: 'Disconnected',
      connectionStateUpdatedTime: '0001-01-01T00:00:00',
      lastActivityTime: '0001-01-01T00:00:00',
    });
    const client = await connected();
    clock.advance(1000);
    await client.publish('devices/d1/messages/events/', 'x');
    const { body: during } = await bed.call('GET', '/devices/d1');
    expect(during).toMatchObject({
      connectionState: 'Connected',
      connectionStateUpdatedTime: '2026-01-01T00:00:00.0000000Z',
      lastActivityTime: '2026-01-01T00:00:01.0000000Z',
    });
    clock.advance(1000);
    const gone = bed.hub.waitForDisconnection('d1', { timeoutMs: 10_000 });
    client.send({ cmd: 'disconnect' });
    await expect(gone).resolves.toBe(true);
    const { body: after } = await bed.call('GET', '/devices/d1');
    expect(after).toMatchObject({
      connectionState: 'Disconnected',
      connectionStateUpdatedTime: '2026-01-01T00:00:02.0000000Z',
    });
  });

  it('ok: waiting for a connection ends with it, or with the time', async () => {
    registerByThumbprint(leaf.thumbprintSha256);
    const late = bed.hub.waitForConnection('d1', { timeoutMs: 5000 });
    clock.advance(5000);
    await expect(late).resolves.toBe(false);
    const waiting = bed.hub.waitForConnection('d1', { timeoutMs: 5000 });
    await connected();
    await expect(waiting).resolves.toBe(true);
    expect(bed.hub.dropConnection('nobody')).toBe(false);
  });

  it('ok: a will is telemetry unless the device says goodbye', async () => {
    const will = { topic: 'devices/d1/messages/events/reason=power', payload: Buffer.from('gone') };
    const lost = await connected({ will });
    const arrived = bed.hub.telemetry.waitFor(() => true, { timeoutMs: 10_000 });
    lost.destroy();
    const message = await arrived;
    expect(Buffer.from(message!.body).toString()).toBe('gone');
    expect(message!.applicationProperties).toEqual({ reason: 'power', 'iothub-MessageType': 'Will' });
    const polite = await connected({ will });
    polite.send({ cmd: 'disconnect' });
    await polite.ended;
    expect(bed.hub.telemetry.lastSequenceNumber).toBe(1);
  });

  it('fail: a will for a topic that carries no telemetry is dropped', async () => {
    const client = await connected({ will: { topic: 'elsewhere', payload: Buffer.from('x') } });
    client.destroy();
    await bed.hub.waitForDisconnection('d1', { timeoutMs: 10_000 });
    expect(bed.hub.telemetry.list()).toEqual([]);
    expect(bed.log.join('\n')).toContain('will message dropped: elsewhere');
  });

  it('ok: clean session false keeps subscriptions, clean session true forgets them', async () => {
    const first = await connected({ clean: false });
    await first.subscribe('$iothub/twin/res/#');
    first.destroy();
    const second = await connect({ certificate: withChain(leaf), clean: false });
    expect(second.sessionPresent).toBe(true);
    second.client.send({
      cmd: 'publish',
      topic: '$iothub/twin/GET/?$rid=1',
      payload: '',
      qos: 0,
      dup: false,
      retain: false,
    });
    await expect(second.client.next('publish')).resolves.toMatchObject({ topic: '$iothub/twin/res/200/?$rid=1' });
    const clean = await connect({ certificate: withChain(leaf), clean: true });
    expect(clean.sessionPresent).toBe(false);
    const again = await connect({ certificate: withChain(leaf), clean: false });
    expect(again.sessionPresent).toBe(false);
  });
});

describe('what a device may publish', () => {
  const publish = { cmd: 'publish', payload: 'x', qos: 1, dup: false, retain: false, messageId: 1 } as const;

  it('ok: telemetry with a bag, with RETAIN, without the last slash', async () => {
    const client = await connected();
    await client.publish('devices/d1/messages/events', 'a');
    await client.publish(
      'devices/d1/messages/events/key&empty=&a%26b=c%3Dd&%24.mid=m1&$.ctime=2026-01-01T00:00:00Z',
      'b',
    );
    client.send({ ...publish, topic: 'devices/d1/messages/events/', retain: true });
    await client.next('puback');
    client.send({ ...publish, topic: 'devices/d1/messages/events/', payload: '', qos: 0 });
    await client.ping();
    const [plain, full, retained, empty] = bed.hub.telemetry.list();
    expect(plain!.applicationProperties).toEqual({});
    expect(full!.applicationProperties).toEqual({
      key: null,
      empty: '',
      'a&b': 'c=d',
      'iothub-creation-time-utc': '2026-01-01T00:00:00Z',
    });
    expect(full!.systemProperties).toMatchObject({ 'message-id': 'm1' });
    expect(retained!.applicationProperties).toEqual({ 'mqtt-retain': 'true' });
    expect(empty!.body).toHaveLength(0);
  });

  it('ok: the largest message', async () => {
    const client = await connected();
    await client.publish('devices/d1/messages/events/', Buffer.alloc(256 * 1024));
    expect(bed.hub.telemetry.list()[0]!.body).toHaveLength(262_144);
  });

  it.each([
    [
      'a larger message',
      { topic: 'devices/d1/messages/events/', payload: Buffer.alloc(256 * 1024 + 1) },
      'at most 262144',
    ],
    ['another device’s topic', { topic: 'devices/d2/messages/events/' }, "a topic that the hub doesn't know"],
    ['a topic of nobody', { topic: 'hello' }, "a topic that the hub doesn't know: hello"],
    ['a twin request without an ID', { topic: '$iothub/twin/GET/' }, "a topic that the hub doesn't know"],
    ['a malformed bag', { topic: 'devices/d1/messages/events/a=%zz' }, 'URI malformed'],
    ['a malformed device ID', { topic: 'devices/%zz/messages/events/' }, "a topic that the hub doesn't know"],
    ['QoS 2', { topic: 'devices/d1/messages/events/', qos: 2 as const }, 'QoS 2 is not supported'],
  ])('fail: %s ends the connection', async (_name, packet, reason) => {
    const client = await connected();
    client.send({ ...publish, ...packet });
    await client.ended;
    expect(bed.log.join('\n')).toContain(reason);
    expect(client.unread).toEqual([]);
  });
});

describe('what a device may subscribe to', () => {
  const topics = [
    'devices/d1/messages/devicebound/#',
    '$iothub/twin/res/#',
    '$iothub/twin/PATCH/properties/desired/#',
    '$iothub/methods/POST/#',
  ];

  it('ok: the hub’s four topics, QoS 2 granted as 1', async () => {
    const client = await connected();
    for (const topic of topics) {
      await expect(client.subscribe(topic, 0)).resolves.toBe(0);
      await expect(client.subscribe(topic, 2)).resolves.toBe(1);
    }
  });

  it.each([
    'devices/d2/messages/devicebound/#',
    'devices/d1/messages/#',
    'devices/+/messages/devicebound/#',
    '$iothub/twin/res/200/#',
    '$iothub/twin/#',
    '$iothub/credentials/res/#',
    '#',
  ])('fail: %s is refused with 0x80', async (topic) => {
    const client = await connected();
    await expect(client.subscribe(topic)).resolves.toBe(0x80);
    expect(bed.log.join('\n')).toContain(`unknown topic filter: ${topic}`);
    await client.ping();
  });

  it('fail: a sixth subscription', async () => {
    bed.hub.provision({ deviceId: 'd$@1', symmetricKeys: { primary: key, secondary: key } });
    const password = deviceToken({ resource: 'h1.azure-devices.localhost/devices/d$@1' });
    const { client } = await connect({ deviceId: 'd$@1', password });
    const spellings = ['d$@1', 'd%24@1', 'd$%401'].map((id) => `devices/${id}/messages/devicebound/#`);
    const filters = [...topics.slice(1), ...spellings];
    const granted: number[] = [];
    for (const filter of filters) granted.push(await client.subscribe(filter));
    expect(granted).toEqual([1, 1, 1, 1, 1, 0x80]);
    expect(bed.log.join('\n')).toContain('more than 5 subscriptions');
    // One that is there already, and one in the place of another.
    await expect(client.subscribe(filters[0]!)).resolves.toBe(1);
    client.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [filters[0]!] });
    await client.next('unsuback');
    await expect(client.subscribe(spellings[2]!)).resolves.toBe(1);
  });
});
