import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hubErrors } from '../src/hub/hub-error.ts';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';
import { signToken } from './hub-token.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

let bed: HubTestBed;
let clock: FakeClock;

beforeEach(async () => {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer, bearerToken: 'good' });
});

afterEach(() => bed.close());

function put(deviceId: string, body: object = {}, ifMatch?: string): Promise<HttpAnswer> {
  return bed.call('PUT', `/devices/${encodeURIComponent(deviceId)}`, {
    body: { deviceId, ...body },
    ...(ifMatch !== undefined && { headers: { 'if-match': ifMatch } }),
  });
}

function message({ body }: HttpAnswer): string {
  return (body as { Message: string }).Message;
}

function etagOf({ body }: HttpAnswer): string {
  return (body as { etag: string }).etag;
}

describe('identities over HTTP', () => {
  it('ok: a new identity, as captured', async () => {
    const { status, headers, body } = await put('d1', { authentication: { type: 'certificateAuthority' } });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(headers['x-ms-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    const { generationId, etag } = body as { generationId: string; etag: string };
    expect(headers.etag).toBe(`"${etag}"`);
    expect(generationId).toMatch(/^63902822400000\d{4}$/);
    expect(Buffer.from(etag, 'base64').toString()).toMatch(/^\d+$/);
    expect(JSON.stringify(body)).toBe(
      JSON.stringify({
        deviceId: 'd1',
        generationId,
        etag,
        connectionState: 'Disconnected',
        status: 'enabled',
        statusReason: null,
        connectionStateUpdatedTime: '0001-01-01T00:00:00',
        statusUpdatedTime: '0001-01-01T00:00:00',
        lastActivityTime: '0001-01-01T00:00:00',
        cloudToDeviceMessageCount: 0,
        authentication: {
          symmetricKey: { primaryKey: null, secondaryKey: null },
          x509Thumbprint: { primaryThumbprint: null, secondaryThumbprint: null },
          type: 'certificateAuthority',
        },
        capabilities: { iotEdge: false },
        deviceScope: null,
        parentScopes: [],
      }),
    );
  });

  it.each(["a-b.c%d_e*f?g!h(i),:=@$'", 'x'.repeat(128)])('ok: the ID %s', async (deviceId) => {
    await expect(put(deviceId)).resolves.toMatchObject({ status: 200 });
    await expect(bed.call('GET', `/devices/${encodeURIComponent(deviceId)}`)).resolves.toMatchObject({
      body: { deviceId },
    });
  });

  it.each(['a b', 'a#b', 'a+b', 'a/b', 'x'.repeat(129)])('fail: the ID %s', async (deviceId) => {
    const answer = await put(deviceId);
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'ArgumentInvalid']);
    expect(message(answer)).toContain('has to be 1 to 128 characters');
  });

  it('ok: IDs differ by case', async () => {
    await put('d1');
    await expect(put('D1')).resolves.toMatchObject({ status: 200 });
    await expect(bed.call('GET', '/statistics/devices')).resolves.toMatchObject({ body: { totalDeviceCount: 2 } });
  });

  it('ok: Edge devices and their scope', async () => {
    const { body: edge } = await put('edge', { capabilities: { iotEdge: true } });
    const { deviceScope, generationId } = edge as { deviceScope: string; generationId: string };
    expect(deviceScope).toBe(`ms-azure-iot-edge://edge-${generationId}`);
    await expect(put('leaf', { deviceScope })).resolves.toMatchObject({
      body: { deviceScope, parentScopes: [deviceScope] },
    });
    await expect(bed.call('GET', '/twins/leaf')).resolves.toMatchObject({
      body: { deviceScope, parentScopes: [deviceScope] },
    });
  });

  it('ok: keys that the back office chose, and one that it left to the hub', async () => {
    const primaryKey = Buffer.alloc(64, 1).toString('base64');
    const { body } = await put('d1', {
      authentication: { type: 'sas', symmetricKey: { primaryKey, secondaryKey: '' } },
    });
    const { symmetricKey } = (body as { authentication: { symmetricKey: Record<string, string> } }).authentication;
    expect(symmetricKey.primaryKey).toBe(primaryKey);
    expect(Buffer.from(symmetricKey.secondaryKey!, 'base64')).toHaveLength(32);
  });

  it.each<[string, object, string]>([
    ['authentication that is no object', { authentication: 'sas' }, 'authentication has to be an object'],
    ['unknown type', { authentication: { type: 'x509' } }, 'authentication.type has to be'],
    ['selfSigned without a thumbprint', { authentication: { type: 'selfSigned' } }, 'needs a thumbprint'],
    [
      'a thumbprint of the wrong length',
      { authentication: { x509Thumbprint: { primaryThumbprint: 'AB' } } },
      '40 (SHA-1) or 64',
    ],
    [
      'a key that is no base64',
      { authentication: { symmetricKey: { primaryKey: 'not base64!' } } },
      'base64 form of 16 to 64 bytes',
    ],
    ['a key too short', { authentication: { symmetricKey: { primaryKey: 'AAAA' } } }, 'base64 form of 16 to 64 bytes'],
    ['a reason too long', { statusReason: 'x'.repeat(129) }, 'statusReason has to be a text of at most 128'],
    ['another ID in the body', { deviceId: 'd2' }, "deviceId in the body has to be 'd1'"],
  ])('fail: %s', async (_name, body, text) => {
    const answer = await put('d1', body);
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'ArgumentInvalid']);
    expect(message(answer)).toContain(text);
  });

  it('ok: list honours top, and counts what is out of range as 1000', async () => {
    for (const deviceId of ['a', 'b', 'c']) await put(deviceId);
    for (const [top, count] of [
      ['2', 2],
      ['0', 3],
      ['1001', 3],
      ['x', 3],
    ] as const) {
      const { body } = await bed.call('GET', `/devices?top=${top}`);
      expect(body).toHaveLength(count);
    }
    await expect(bed.call('GET', '/statistics/service')).resolves.toMatchObject({ body: { connectedDeviceCount: 0 } });
  });
});

describe('If-Match on identities', () => {
  it('create without, update with', async () => {
    const created = await put('d1', { status: 'disabled', statusReason: 'test' });
    const again = await put('d1');
    expect([again.status, again.headers['iothub-errorcode']]).toEqual([409, 'DeviceAlreadyExists']);
    expect(again.body).toEqual({
      Message: 'ErrorCode:DeviceAlreadyExists;Conflict',
      ExceptionMessage: expect.stringMatching(/^Tracking ID:[0-9a-f]{32}-G:0-TimeStamp:01\/01\/2026 00:00:00$/),
    });
    clock.advance(1000);
    const updated = await put('d1', { status: 'enabled', statusReason: null }, `"${etagOf(created)}"`);
    expect(updated).toMatchObject({
      status: 200,
      body: { status: 'enabled', statusReason: null, statusUpdatedTime: '2026-01-01T00:00:01.0000000Z' },
    });
    expect(etagOf(updated)).not.toBe(etagOf(created));
    const stale = await put('d1', {}, `"${etagOf(created)}"`);
    expect([stale.status, stale.headers['iothub-errorcode']]).toEqual([412, 'PreconditionFailed']);
    await expect(put('d1', {}, etagOf(updated))).resolves.toMatchObject({ status: 412 });
    for (const any of ['*', '"*"']) await expect(put('d1', {}, any)).resolves.toMatchObject({ status: 200 });
    await expect(put('nobody', {}, '*')).resolves.toMatchObject({
      status: 404,
      body: { Message: 'ErrorCode:DeviceNotFound;nobody' },
    });
  });

  it('ok: an update keeps what it does not name, and can change the kind of credential', async () => {
    const primaryThumbprint = 'A'.repeat(40);
    const { body: created } = await put('d1');
    const { body: kept } = await put('d1', { statusReason: 'x' }, '*');
    const keysOf = (body: unknown): unknown => (body as { authentication: unknown }).authentication;
    expect(keysOf(kept)).toEqual(keysOf(created));
    const { body: changed } = await put(
      'd1',
      { authentication: { type: 'selfSigned', x509Thumbprint: { primaryThumbprint } } },
      '*',
    );
    expect(changed).toMatchObject({
      statusReason: 'x',
      authentication: { type: 'selfSigned', symmetricKey: { primaryKey: null }, x509Thumbprint: { primaryThumbprint } },
    });
    const { body: back } = await put('d1', { authentication: { type: 'sas' } }, '*');
    expect(back).toMatchObject({ authentication: { symmetricKey: { primaryKey: expect.any(String) } } });
  });

  it('DELETE with and without', async () => {
    const remove = (ifMatch?: string): Promise<HttpAnswer> =>
      bed.call('DELETE', '/devices/d1', ifMatch === undefined ? {} : { headers: { 'if-match': ifMatch } });
    const created = await put('d1');
    await expect(remove('"AAAA"')).resolves.toMatchObject({ status: 412 });
    await expect(remove('unquoted')).resolves.toMatchObject({ status: 412 });
    await expect(remove(`"${etagOf(created)}"`)).resolves.toMatchObject({ status: 204, body: undefined });
    await expect(remove()).resolves.toMatchObject({ status: 404 });
    await put('d1');
    await expect(remove('*')).resolves.toMatchObject({ status: 204 });
    await put('d1');
    await expect(remove()).resolves.toMatchObject({ status: 204 });
  });
});

describe('who may call', () => {
  const resource = 'h1.azure-devices.localhost';
  const owner = (): string => bed.hub.sharedAccessPolicies[0]!.primaryKey;
  const seconds = (offset: number): number => Math.floor(clock.now() / 1000) + offset;
  const sign = (options: object = {}): string =>
    signToken({ resource, key: owner(), policy: 'iothubowner', expiry: seconds(60), ...options });

  it.each<[string, () => string]>([
    ['the whole host', () => sign()],
    ['the secondary key', () => sign({ key: bed.hub.sharedAccessPolicies[0]!.secondaryKey })],
    ['a host with its port', () => sign({ resource: bed.hub.hostName })],
    ['a path above', () => sign({ resource: `${resource}/devices` })],
    ['the very path, in capitals', () => sign({ resource: `${resource}/DEVICES/D1/` })],
    [
      'escapes in lower case',
      () =>
        sign({
          resource: `${resource}/devices`,
          encode: (text: string) => encodeURIComponent(text).replaceAll('%2F', '%2f'),
        }),
    ],
    [
      'fields in another order and case',
      () => {
        const [, sr, sig, se, skn] = /sr=(.*)&sig=(.*)&se=(.*)&skn=(.*)$/.exec(sign())!;
        return `SharedAccessSignature SE=${se!}&skn=${skn!}&SIG=${sig!}&sr=${sr!}`;
      },
    ],
    ['Entra ID', () => 'Bearer good'],
  ])('ok: %s', async (_name, authorization) => {
    await put('d1');
    await expect(bed.call('GET', '/devices/d1', { authorization: authorization() })).resolves.toMatchObject({
      status: 200,
    });
  });

  it.each<[string, () => string, string]>([
    ['nothing', () => '', 'neither a bearer token nor a shared access signature'],
    ['two spaces', () => sign().replace(' ', '  '), 'neither a bearer token'],
    ['expired', () => sign({ expiry: seconds(-301) }), 'has expired'],
    ['another path', () => sign({ resource: `${resource}/device` }), `is for ${resource}/device`],
    ['another hub', () => sign({ resource: 'h2.azure-devices.localhost' }), 'is for h2.azure-devices.localhost'],
    ['unknown policy', () => sign({ policy: 'boss' }), "no shared access policy 'boss'"],
    ['no policy', () => sign({ policy: undefined }), "no shared access policy ''"],
    [
      'wrong key',
      () => sign({ key: Buffer.alloc(32).toString('base64') }),
      "no key of policy 'iothubowner' made the signature",
    ],
    ['a token of Entra ID for someone else', () => 'Bearer bad', 'the bearer token is no valid one'],
  ])('fail: %s', async (_name, authorization, text) => {
    const answer = await bed.call('GET', '/devices/d1', { authorization: authorization() });
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([401, 'IotHubUnauthorized']);
    expect(message(answer)).toContain(text);
  });

  it.each([
    ['iothubowner', 'GET', '/devices', 200],
    ['registryRead', 'GET', '/devices', 200],
    ['registryReadWrite', 'GET', '/devices', 200],
    ['service', 'GET', '/devices', 401],
    ['device', 'GET', '/devices', 401],
    ['registryReadWrite', 'DELETE', '/devices/d1', 204],
    ['registryRead', 'DELETE', '/devices/d1', 401],
    ['service', 'GET', '/twins/d1', 200],
    ['registryReadWrite', 'GET', '/twins/d1', 401],
    ['registryRead', 'GET', '/statistics/devices', 200],
    ['registryRead', 'GET', '/emulator/telemetry', 401],
  ])('policy %s: %s %s answers %d', async (policy, method, path, status) => {
    await put('d1');
    const answer = await bed.call(method, path, { policy });
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.headers['iothub-errorcode']).toBe('IotHubUnauthorizedAccess');
  });

  it('ok: five policies, each with a connection string', () => {
    expect(bed.hub.sharedAccessPolicies.map(({ name }) => name)).toEqual([
      'iothubowner',
      'service',
      'device',
      'registryRead',
      'registryReadWrite',
    ]);
    expect(bed.hub.connectionString('service')).toMatch(
      /^HostName=h1\.azure-devices\.localhost:\d+;SharedAccessKeyName=service;SharedAccessKey=[A-Za-z0-9+/]{43}=$/,
    );
    expect(() => bed.hub.connectionString('boss')).toThrow(RangeError);
  });
});

describe('what the emulator does not know', () => {
  it.each([
    ['GET', '/configurations'],
    ['PUT', '/configurations/c1'],
    ['POST', '/configurations/testQueries'],
    ['POST', '/devices/d1/applyConfigurationContent'],
    ['PUT', '/jobs/v2/j1'],
    ['GET', '/jobs/v2/j1'],
    ['POST', '/jobs/v2/j1/cancel'],
    ['GET', '/jobs/v2/query'],
    ['POST', '/jobs/create'],
    ['GET', '/digitaltwins/d1'],
    ['PATCH', '/devices/d1'],
  ])('fail: %s %s answers 501 and names the operation', async (method, path) => {
    const answer = await bed.call(method, path, { body: {} });
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([501, 'NotImplemented']);
    expect(message(answer)).toBe(`ErrorCode:NotImplemented;the emulator does not support ${method} ${path} of IoT Hub`);
  });

  it.each(['', '?api-version=', '?api-version=2016-02-03', '?api-version=x'])(
    'fail: api-version in "%s"',
    async (query) => {
      // A path that has "api-version" somewhere is sent as it is.
      const answer = await bed.call('GET', `/devices${query === '' ? '?not-api-version' : query}`);
      expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'ArgumentInvalid']);
      expect(message(answer)).toContain('ErrorCode:ArgumentInvalid;Unknown api version');
      expect(message(answer)).toContain('2020-09-30, 2021-04-12, 2024-03-31');
    },
  );

  it('fail: a hub that does not exist, whatever is asked of it', async () => {
    for (const path of ['/devices', '/elsewhere']) {
      const answer = await bed.call('GET', path, { host: 'h2.azure-devices.localhost' });
      expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([401, 'IotHubNotFound']);
      expect(message(answer)).toBe('ErrorCode:IotHubNotFound;there is no hub h2.azure-devices.localhost');
    }
  });

  it.each(['h1.azure-devices.localhost', 'H1.azure-devices.net', 'h1.service.azure-devices.net:443'])(
    'ok: host %s',
    async (host) => {
      await expect(bed.call('GET', '/devices', { host })).resolves.toMatchObject({ status: 200 });
    },
  );

  it('ok: other hosts are left to other planes', async () => {
    for (const host of ['d1.azure-devices-provisioning.localhost', 'localhost']) {
      await expect(bed.call('GET', '/devices', { host })).resolves.toMatchObject({
        status: 404,
        body: { error: 'Not Found' },
      });
    }
  });

  it('fail: bodies that are missing, malformed or too large', async () => {
    await expect(bed.call('PUT', '/devices/d1')).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': 'ArgumentNull' },
    });
    await expect(bed.call('PUT', '/devices/d1', { body: '{"deviceId":' })).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': 'IotHubFormatError' },
    });
    await expect(bed.call('PUT', '/devices/d1', { body: { x: 'x'.repeat(1_100_000) } })).resolves.toMatchObject({
      status: 413,
      headers: { 'iothub-errorcode': 'MessageTooLarge' },
    });
  });

  it('fail: a fault of the emulator is a 500 that says so', async () => {
    const isValid = { authorization: 'Bearer good' };
    Object.defineProperty(bed.hub, 'registry', {
      get: () => {
        throw new Error('broken');
      },
    });
    const answer = await bed.call('GET', '/devices', isValid);
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([500, 'ServerError']);
    expect(message(answer)).toContain('a fault of the emulator: Error: broken');
    Object.defineProperty(bed.hub, 'registry', { value: { all: () => [], allModules: () => [] } });
  });
});

describe('error catalogue', () => {
  it('ok: codes are six digits that begin with the status, and say where they come from', () => {
    for (const { status, code, mark, source } of Object.values(hubErrors)) {
      expect(Math.floor(code / 1000)).toBe(status);
      expect(['documented', 'seen', 'assumed']).toContain(mark);
      expect(source).not.toBe('');
    }
  });
});
