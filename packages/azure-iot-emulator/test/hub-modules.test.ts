import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createCertificate, withChain } from './hub-certificates.ts';
import { Program } from './hub-program.ts';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';
import { signToken } from './hub-token.ts';
import type { RawClient } from './mqtt-raw-client.ts';

const name = { deviceId: 'd1', moduleId: 'm1' };
const path = '/devices/d1/modules/m1';

let bed: HubTestBed;

beforeEach(async () => {
  bed = await openHub();
  bed.hub.registry.create('d1', {});
});

afterEach(() => bed.close());

function put(body: object = {}, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  return bed.call('PUT', path, { body: { ...name, ...body }, headers });
}

function keyOf(): string {
  return bed.hub.registry.requireModule(name).identity.authentication.symmetricKey.primaryKey!;
}

async function connect(options: { password?: string; clientId?: string } = {}): Promise<[RawClient, number]> {
  const client = await bed.rawClient();
  const resource = 'h1.azure-devices.localhost/devices/d1/modules/m1';
  const { returnCode } = await client.connect({
    clientId: options.clientId ?? 'd1/m1',
    username: bed.username('d1/m1'),
    password: Buffer.from(options.password ?? signToken({ resource, key: keyOf() })),
    clean: false,
  });
  return [client, returnCode!];
}

describe('module identities', () => {
  it('ok: an IoT Edge device has those of the runtime from its creation on, beside 50 of its own', async () => {
    await bed.call('PUT', '/devices/edge', { body: { deviceId: 'edge', capabilities: { iotEdge: true } } });
    const list = async (deviceId: string): Promise<string[]> => {
      const { body } = await bed.call('GET', `/devices/${deviceId}/modules`);
      return (body as { moduleId: string }[]).map(({ moduleId }) => moduleId);
    };
    await expect(list('edge')).resolves.toEqual(['$edgeAgent', '$edgeHub']);
    await expect(bed.call('GET', '/twins/edge/modules/%24edgeAgent')).resolves.toMatchObject({
      body: { moduleId: '$edgeAgent', status: 'enabled', authenticationType: 'sas' },
    });
    for (let count = 0; count < 50; count += 1) {
      bed.hub.registry.createModule({ deviceId: 'edge', moduleId: `m${count}` }, {});
    }
    expect(() => bed.hub.registry.createModule({ deviceId: 'edge', moduleId: 'm50' }, {})).toThrow(
      expect.objectContaining({ errorName: 'TooManyModulesOnDevice' }),
    );
    await bed.call('PUT', '/devices/d1', {
      body: { deviceId: 'd1', capabilities: { iotEdge: true } },
      headers: { 'if-match': '*' },
    });
    await expect(list('d1')).resolves.toEqual(['$edgeAgent', '$edgeHub']);
  });

  it('ok: PUT, GET, list, DELETE', async () => {
    const created = await put({ managedBy: 'me' });
    expect([created.status, created.headers.etag]).toEqual([201, `"${(created.body as { etag: string }).etag}"`]);
    expect(created.body).toEqual({
      moduleId: 'm1',
      managedBy: 'me',
      deviceId: 'd1',
      generationId: expect.stringMatching(/^\d{18}$/),
      etag: expect.any(String),
      connectionState: 'Disconnected',
      connectionStateUpdatedTime: '0001-01-01T00:00:00',
      lastActivityTime: '0001-01-01T00:00:00',
      cloudToDeviceMessageCount: 0,
      authentication: {
        symmetricKey: { primaryKey: expect.any(String), secondaryKey: expect.any(String) },
        x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
        type: 'sas',
      },
    });
    await expect(bed.call('GET', path)).resolves.toMatchObject({ status: 200, body: created.body });
    await expect(bed.call('GET', '/devices/d1/modules')).resolves.toMatchObject({ body: [created.body] });
    await expect(bed.call('DELETE', path)).resolves.toMatchObject({ status: 204 });
    await expect(bed.call('GET', path)).resolves.toMatchObject({
      status: 404,
      headers: { 'iothub-errorcode': 'ModuleNotFound' },
    });
  });

  it('ok: an update keeps what it does not name', async () => {
    await put({ managedBy: 'me' });
    const before = bed.hub.registry.requireModule(name).identity;
    const changed = await put({ authentication: { type: 'certificateAuthority' } }, { 'if-match': '*' });
    expect(changed).toMatchObject({
      status: 200,
      body: { managedBy: 'me', generationId: before.generationId, authentication: { type: 'certificateAuthority' } },
    });
    expect((changed.body as { etag: string }).etag).not.toBe(before.etag);
  });

  it.each<[string, () => Promise<HttpAnswer>, number, string]>([
    ['a second of the same ID', () => put(), 409, 'ModuleAlreadyExistsOnDevice'],
    ['a stale ETag', () => put({}, { 'if-match': '"AAAA"' }), 412, 'PreconditionFailed'],
    ['another ID in the body', () => put({ moduleId: 'm2' }), 400, 'ArgumentInvalid'],
    ['no body', () => bed.call('PUT', path), 400, 'ArgumentNull'],
    [
      'an ID with a slash',
      () => bed.call('PUT', '/devices/d1/modules/a%2Fb', { body: { deviceId: 'd1', moduleId: 'a/b' } }),
      400,
      'ArgumentInvalid',
    ],
    ['an unknown device', () => bed.call('GET', '/devices/d2/modules'), 404, 'DeviceNotFound'],
    ['an unknown module', () => bed.call('DELETE', '/devices/d1/modules/m2'), 404, 'ModuleNotFound'],
    ['a twin of no module', () => bed.call('GET', '/twins/d1/modules/m2'), 404, 'ModuleNotFound'],
    [
      'a method of no module',
      () => bed.call('POST', '/twins/d1/modules/m2/methods', { body: { methodName: 'm' } }),
      404,
      'ModuleNotFound',
    ],
  ])('fail: %s', async (_what, call, status, errorName) => {
    await put();
    await expect(call()).resolves.toMatchObject({ status, headers: { 'iothub-errorcode': errorName } });
  });

  it('fail: the 51st module of a device', async () => {
    for (let count = 0; count < 50; count += 1) {
      bed.hub.registry.createModule({ deviceId: 'd1', moduleId: `x${count}` }, {});
    }
    await expect(put()).resolves.toMatchObject({
      status: 413,
      headers: { 'iothub-errorcode': 'TooManyModulesOnDevice' },
    });
  });

  it('ok: a module goes with its device', async () => {
    await put();
    const [client] = await connect();
    await bed.call('DELETE', '/devices/d1');
    await client.ended;
    expect(bed.hub.registry.find(name)).toBeUndefined();
  });
});

describe('module connections', () => {
  beforeEach(() => put());

  it('ok: telemetry, twin, desired properties, methods and messages', async () => {
    const [client, returnCode] = await connect();
    expect([returnCode, bed.hub.isConnected(name), bed.hub.isConnected('d1')]).toEqual([0, true, false]);
    await client.publish('devices/d1/modules/m1/messages/events/%24.mid=1&a=b', 'hello');
    expect(bed.hub.telemetry.list()).toMatchObject([
      {
        ...name,
        systemProperties: { 'iothub-connection-module-id': 'm1', 'message-id': '1' },
        applicationProperties: { a: 'b' },
      },
    ]);
    await client.subscribe('$iothub/twin/res/#');
    await client.subscribe('$iothub/twin/PATCH/properties/desired/#');
    await client.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"speed":2}');
    await expect(client.next('publish')).resolves.toMatchObject({ topic: '$iothub/twin/res/204/?$rid=1&$version=2' });
    await bed.call('PATCH', '/twins/d1/modules/m1', { body: { properties: { desired: { speed: 3 } } } });
    const desired = await client.next('publish');
    expect([desired.topic, desired.payload.toString()]).toEqual([
      '$iothub/twin/PATCH/properties/desired/?$version=2',
      '{"speed":3,"$version":2}',
    ]);
    expect(bed.hub.twinOf(name)).toMatchObject({ properties: { reported: { speed: 2 }, desired: { speed: 3 } } });
    await client.subscribe('$iothub/methods/POST/#', 0);
    const call = bed.call('POST', '/twins/d1/modules/m1/methods', { body: { methodName: 'reboot', payload: 1 } });
    const method = await client.next('publish');
    expect(method.topic).toBe('$iothub/methods/POST/reboot/?$rid=1');
    await client.publish('$iothub/methods/res/200/?$rid=1', '"done"');
    await expect(call).resolves.toMatchObject({ status: 200, body: { status: 200, payload: 'done' } });
    await client.subscribe('devices/d1/modules/m1/#');
    await bed.call('POST', '/devices/d1/modules/m1/messages/devicebound', { body: { body: 'hi', messageId: 'x' } });
    const message = await client.next('publish');
    expect(message.topic).toBe(
      'devices/d1/modules/m1/messages/devicebound/%24.mid=x&%24.to=%2Fdevices%2Fd1%2Fmodules%2Fm1%2Fmessages%2Fdevicebound&iothub-ack=none',
    );
  });

  it('ok: by certificate, with the CN {device}/{module}', async () => {
    const authority = await createCertificate('Root', { isAuthority: true });
    bed.hub.setCertificateAuthorities([{ name: 'root', certificateDer: authority.der, isVerified: true }]);
    await put({ authentication: { type: 'certificateAuthority' } }, { 'if-match': '*' });
    const tryAs = async (commonName: string): Promise<number> => {
      const client = await bed.rawClient(
        withChain(await createCertificate(commonName, { issuer: authority }), authority),
      );
      return (await client.connect({ clientId: 'd1/m1', username: bed.username('d1/m1') })).returnCode!;
    };
    await expect(tryAs('d1/m1')).resolves.toBe(0);
    await expect(tryAs('d1')).resolves.toBe(5);
    expect(bed.log.at(-1)).toContain("module 'd1/m1': the certificate's CN is 'd1', the device ID is 'd1/m1'");
  });

  it.each<[string, () => Parameters<typeof connect>[0], string]>([
    ['the client ID of the device', () => ({ clientId: 'd1' }), "client ID 'd1' has to be 'd1/m1'"],
    [
      "the device's key",
      () => {
        const { primaryKey } = bed.hub.registry.require('d1').identity.authentication.symmetricKey;
        return { password: signToken({ resource: 'h1.azure-devices.localhost/devices/d1', key: primaryKey! }) };
      },
      "not made with the module's key",
    ],
    [
      "another module's resource",
      () => ({ password: signToken({ resource: 'h1.azure-devices.localhost/devices/d1/modules/m', key: keyOf() }) }),
      'the shared access signature is for',
    ],
  ])('fail: %s', async (_what, options, why) => {
    const [, returnCode] = await connect(options());
    expect([returnCode, bed.log.at(-1)]).toEqual([5, expect.stringContaining(why)]);
  });

  it("fail: on another module's topic, and with its device disabled", async () => {
    const [client] = await connect();
    client.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload: '',
      qos: 0,
      dup: false,
      retain: false,
    });
    await client.ended;
    bed.hub.registry.put('d1', { status: 'disabled' }, 'any');
    const [, returnCode] = await connect();
    expect(returnCode).toBe(5);
  });
});

describe('azure-iot-device’s ModuleClient, unmodified', () => {
  it('ok: telemetry, twin and a method', async () => {
    await put();
    const connectionString = `HostName=${bed.hub.hostName};DeviceId=d1;ModuleId=m1;SharedAccessKey=${keyOf()}`;
    const module = await Program.start('./hub-device-program.mjs', {
      arguments: [connectionString, 'Mqtt'],
      rootPem: bed.identity.rootPem,
      port443: bed.port,
    });
    try {
      await module.ask('open');
      await module.ask('send', { body: 'hello', system: { messageId: '1' } });
      expect(bed.hub.telemetry.list()).toMatchObject([{ ...name, systemProperties: { 'message-id': '1' } }]);
      await module.ask('twin');
      await module.ask('report', { patch: { speed: 1 } });
      bed.hub.updateTwin(name, { properties: { desired: { speed: 2 } } }, { mode: 'patch', precondition: 'any' });
      // The first event tells of the twin as it was read.
      await module.next('desired');
      await expect(module.next('desired')).resolves.toMatchObject({ desired: { speed: 2 } });
      expect(bed.hub.twinOf(name)).toMatchObject({ properties: { reported: { speed: 1 } } });
      await module.ask('method', { name: 'echo', status: 200 });
      await expect(
        bed.hub.invokeMethod(name, { methodName: 'echo', payload: 5, connectTimeoutSeconds: 10 }),
      ).resolves.toEqual({
        status: 200,
        payload: { echo: 5 },
      });
    } finally {
      await module.stop();
    }
  });
});
