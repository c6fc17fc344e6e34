import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createCertificate, withChain } from './hub-certificates.ts';
import { Program } from './hub-program.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import type { RawClient } from './mqtt-raw-client.ts';

let bed: HubTestBed;
let office: Program;

beforeEach(async () => {
  bed = await openHub({ bearerToken: 'good' });
  office = await startOffice(connectionString('iothubowner'));
});

afterEach(async () => {
  await office.stop();
  await bed.close();
});

/** Microsoft's HTTPS client takes no port: the hook leads 443 here. */
function connectionString(policy: string): string {
  return bed.hub.connectionString(policy).replace(bed.hub.hostName, 'h1.azure-devices.localhost');
}

async function startOffice(...parameters: string[]): Promise<Program> {
  return Program.start('./hub-service-program.mjs', {
    arguments: parameters,
    rootPem: bed.identity.rootPem,
    port443: bed.port,
  });
}

interface Identity {
  readonly deviceId: string;
  readonly etag: string;
  readonly generationId: string;
  readonly status: string;
  readonly statusUpdatedTime: string;
  readonly authentication: { readonly type: string; readonly symmetricKey: { readonly primaryKey: string } };
}

async function connectDevice(deviceId: string): Promise<RawClient> {
  const own = await createCertificate(deviceId);
  bed.hub.provision({ deviceId, thumbprints: { primary: own.thumbprintSha256, secondary: own.thumbprintSha256 } });
  const client = await bed.rawClient(withChain(own));
  await client.connect({ clientId: deviceId, username: bed.username(deviceId) });
  return client;
}

describe('azure-iothub, unmodified: Registry', () => {
  it('ok: create, get, update, list, statistics, delete', async () => {
    const created = await office.ask<Identity>('create', { device: { deviceId: 'd1' } });
    expect(created).toMatchObject({ deviceId: 'd1', status: 'enabled', authentication: { type: 'sas' } });
    expect(Buffer.from(created.authentication.symmetricKey.primaryKey, 'base64')).toHaveLength(32);
    await expect(office.ask('get', { deviceId: 'd1' })).resolves.toEqual(created);

    const updated = await office.ask<Identity>('update', { device: { ...created, status: 'disabled' } });
    expect(updated.status).toBe('disabled');
    expect(updated.etag).not.toBe(created.etag);
    expect(updated.generationId).toBe(created.generationId);
    expect(updated.authentication).toEqual(created.authentication);
    expect(updated.statusUpdatedTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/);

    await office.ask('create', { device: { deviceId: 'd2' } });
    await expect(office.ask<Identity[]>('list')).resolves.toMatchObject([{ deviceId: 'd1' }, { deviceId: 'd2' }]);
    await expect(office.ask('statistics')).resolves.toEqual({
      totalDeviceCount: 2,
      enabledDeviceCount: 1,
      disabledDeviceCount: 1,
    });
    await office.ask('delete', { deviceId: 'd1' });
    await expect(office.ask('get', { deviceId: 'd1' })).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
  });

  it('ok: thumbprints and a CA as credentials', async () => {
    const authentication = {
      x509Thumbprint: { primaryThumbprint: 'A'.repeat(40), secondaryThumbprint: 'b'.repeat(64) },
    };
    await expect(office.ask('create', { device: { deviceId: 'd1', authentication } })).resolves.toMatchObject({
      authentication: { ...authentication, type: 'selfSigned', symmetricKey: { primaryKey: null, secondaryKey: null } },
    });
    const byAuthority = { deviceId: 'd2', authentication: { type: 'certificateAuthority' } };
    await expect(office.ask('create', { device: byAuthority })).resolves.toMatchObject({
      authentication: {
        type: 'certificateAuthority',
        symmetricKey: { primaryKey: null, secondaryKey: null },
        x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
      },
    });
  });

  it('fail: errors arrive as the client’s own classes', async () => {
    await office.ask('create', { device: { deviceId: 'd1' } });
    await expect(office.ask('create', { device: { deviceId: 'd1' } })).rejects.toMatchObject({
      name: 'DeviceAlreadyExistsError',
      message: 'Conflict',
      status: 409,
    });
    await expect(office.ask('get', { deviceId: 'nobody' })).rejects.toMatchObject({
      name: 'DeviceNotFoundError',
      message: 'nobody',
    });
    await expect(office.ask('delete', { deviceId: 'nobody' })).rejects.toMatchObject({ name: 'DeviceNotFoundError' });
    await expect(
      office.ask('create', {
        device: { deviceId: 'd2', authentication: { type: 'certificateAuthority' }, status: 'asleep' },
      }),
    ).rejects.toMatchObject({ name: 'ArgumentError', message: 'status has to be enabled or disabled' });
    await expect(office.ask('addDevices', { devices: [{ deviceId: 'd1' }] })).rejects.toMatchObject({
      name: 'ArgumentError',
      status: 400,
    });
  });

  it('ok: several devices in one request', async () => {
    const devices = [{ deviceId: 'b1' }, { deviceId: 'b2', status: 'disabled' }];
    const done = { isSuccessful: true, errors: [], warnings: [] };
    await expect(office.ask('addDevices', { devices })).resolves.toEqual(done);
    const read = await office.ask<Identity>('get', { deviceId: 'b1' });
    const changes = [{ ...read, status: 'disabled' }];
    await expect(office.ask('updateDevices', { devices: changes, force: false })).resolves.toEqual(done);
    await expect(office.ask('updateDevices', { devices: changes, force: false })).rejects.toMatchObject({
      status: 400,
    });
    await expect(office.ask('updateDevices', { devices: changes, force: true })).resolves.toEqual(done);
    await expect(office.ask('removeDevices', { devices, force: true })).resolves.toEqual(done);
    await expect(office.ask('list')).resolves.toEqual([]);
  });

  it('ok: modules, with their twins', async () => {
    await office.ask('create', { device: { deviceId: 'd1' } });
    const module = { deviceId: 'd1', moduleId: 'm1' };
    const created = await office.ask<Identity>('addModule', { module });
    expect(created).toMatchObject({ ...module, managedBy: null, authentication: { type: 'sas' } });
    await expect(office.ask('modules', { deviceId: 'd1' })).resolves.toEqual([created]);
    await expect(office.ask('addModule', { module })).rejects.toMatchObject({ status: 409 });
    const updated = await office.ask<Identity>('updateModule', { module: { ...created, managedBy: 'me' } });
    expect(updated).toMatchObject({ managedBy: 'me', authentication: created.authentication });
    await expect(
      office.ask('updateModuleTwin', { ...module, patch: { properties: { desired: { speed: 1 } } } }),
    ).resolves.toMatchObject({ ...module, etag: 'AAAAAAAAAAI=', properties: { desired: { speed: 1 } } });
    await expect(office.ask('moduleTwin', module)).resolves.toMatchObject({ ...module, version: 3 });
    await expect(office.ask('query', { text: 'SELECT moduleId FROM devices.modules', pageSize: 5 })).resolves.toEqual([
      [{ moduleId: 'm1' }],
    ]);
    await expect(office.ask('moduleMethod', { ...module, parameters: { methodName: 'm' } })).rejects.toMatchObject({
      status: 404,
    });
    await office.ask('removeModule', module);
    await expect(office.ask('module', module)).rejects.toMatchObject({ status: 404 });
  });

  it('ok: under Azure’s own host name, and with a token of Entra ID', async () => {
    const inAzure = connectionString('registryRead').replace('azure-devices.localhost', 'azure-devices.net');
    const byKey = await startOffice(inAzure);
    await expect(byKey.ask('list')).resolves.toEqual([]);
    await byKey.stop();
    const byToken = await startOffice(inAzure, 'good');
    await expect(byToken.ask('create', { device: { deviceId: 'd1' } })).resolves.toMatchObject({ deviceId: 'd1' });
    await expect(byToken.next('scope')).resolves.toMatchObject({ scope: 'https://iothubs.azure.net/.default' });
    await byToken.stop();
    const byWrongToken = await startOffice(inAzure, 'bad');
    await expect(byWrongToken.ask('list')).rejects.toMatchObject({ name: 'UnauthorizedError' });
    await byWrongToken.stop();
  });

  it('fail: a policy without the right, and a wrong key', async () => {
    const reader = await startOffice(connectionString('registryRead'));
    await expect(reader.ask('list')).resolves.toEqual([]);
    await expect(reader.ask('create', { device: { deviceId: 'd1' } })).rejects.toMatchObject({
      name: 'UnauthorizedError',
      message: "Authorization rule 'registryRead' does not allow access for 'RegistryWrite'",
    });
    await reader.stop();
    const wrong = connectionString('iothubowner').replace(
      /SharedAccessKey=.*/,
      `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`,
    );
    const intruder = await startOffice(wrong);
    await expect(intruder.ask('list')).rejects.toMatchObject({ name: 'UnauthorizedError' });
    await intruder.stop();
  });
});

describe('azure-iothub, unmodified: Twin', () => {
  it('ok: read, patch by etag, and the stale etag afterwards', async () => {
    await office.ask('create', { device: { deviceId: 'd1' } });
    const twin = await office.ask<{ etag: string; version: number }>('twin', { deviceId: 'd1' });
    expect(twin).toMatchObject({ etag: 'AAAAAAAAAAE=', version: 2, properties: { desired: { $version: 1 } } });
    const patch = { tags: { line: '1' }, properties: { desired: { target: 21, nested: { a: 1, b: 2 } } } };
    const changed = await office.ask<{ etag: string }>('updateTwin', { deviceId: 'd1', patch, etag: twin.etag });
    expect(changed).toMatchObject({ etag: 'AAAAAAAAAAI=', version: 3, tags: { line: '1' } });
    const more = { properties: { desired: { nested: { a: null } } } };
    await expect(office.ask('updateTwin', { deviceId: 'd1', patch: more, etag: changed.etag })).resolves.toMatchObject({
      properties: { desired: { target: 21, nested: { b: 2 }, $version: 3 } },
    });
    await expect(office.ask('updateTwin', { deviceId: 'd1', patch, etag: twin.etag })).rejects.toMatchObject({
      name: 'InvalidEtagError',
      status: 412,
    });
  });

  it('ok: queries, page by page', async () => {
    for (const deviceId of ['a', 'b', 'c']) await office.ask('create', { device: { deviceId } });
    await office.ask('updateTwin', { deviceId: 'b', patch: { tags: { line: '2' } } });
    const pages = await office.ask<{ deviceId: string }[][]>('query', { text: 'SELECT * FROM devices', pageSize: 2 });
    expect(pages.map((page) => page.map(({ deviceId }) => deviceId))).toEqual([['a', 'b'], ['c']]);
    const found = await office.ask<{ deviceId: string }[][]>('query', {
      text: "SELECT * FROM devices WHERE tags.line = '2'",
      pageSize: 10,
    });
    expect(found.flat().map(({ deviceId }) => deviceId)).toEqual(['b']);
    await expect(
      office.ask('query', { text: 'SELECT COUNT() AS n, status FROM devices GROUP BY status', pageSize: 1 }),
    ).resolves.toEqual([[{ n: 3, status: 'enabled' }]]);
    await expect(office.ask('query', { text: 'SELECT * FROM devices.jobs', pageSize: 1 })).rejects.toMatchObject({
      status: 501,
      message: expect.stringContaining('FROM devices.jobs'),
    });
  });
});

describe('azure-iothub, unmodified: direct methods', () => {
  it('ok: the device’s status and payload come back', async () => {
    const device = await connectDevice('d1');
    await device.subscribe('$iothub/methods/POST/#', 0);
    const answered = office.ask('method', {
      deviceId: 'd1',
      parameters: { methodName: 'reboot', payload: { delay: 5 }, responseTimeoutInSeconds: 20 },
    });
    const { topic, payload, qos } = await device.next('publish');
    expect(qos).toBe(0);
    expect(payload.toString()).toBe('{"delay":5}');
    const requestId = /^\$iothub\/methods\/POST\/reboot\/\?\$rid=(\w+)$/.exec(topic)![1]!;
    device.send({
      cmd: 'publish',
      topic: `$iothub/methods/res/202/?$rid=${requestId}`,
      payload: '{"ok":true}',
      qos: 0,
      dup: false,
      retain: false,
    });
    await expect(answered).resolves.toEqual({ status: 202, payload: { ok: true } });
    device.destroy();
  });

  it('fail: unknown, offline, not listening', async () => {
    const parameters = { methodName: 'reboot', responseTimeoutInSeconds: 20 };
    await expect(office.ask('method', { deviceId: 'nobody', parameters })).rejects.toMatchObject({
      status: 404,
      responseBody: expect.stringContaining('\\"errorCode\\":404001'),
    });
    await office.ask('create', { device: { deviceId: 'd2' } });
    await expect(office.ask('method', { deviceId: 'd2', parameters })).rejects.toMatchObject({
      status: 404,
      responseBody: expect.stringContaining('\\"errorCode\\":404103'),
    });
    const device = await connectDevice('d1');
    await expect(office.ask('method', { deviceId: 'd1', parameters })).rejects.toMatchObject({
      responseBody: expect.stringContaining('\\"errorCode\\":404103'),
    });
    device.destroy();
  });
});
