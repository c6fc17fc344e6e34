import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RawDevice } from './hub-raw-device.ts';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import type { RawClient } from './mqtt-raw-client.ts';

const start = '2026-01-01T00:00:00.0000000Z';
const later = '2026-01-01T00:00:10.0000000Z';
let clock: FakeClock;
let bed: HubTestBed;
let device: RawDevice;

beforeEach(async () => {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer });
  device = await RawDevice.register(bed, 'd1');
  clock.advance(10_000);
});

afterEach(async () => {
  await device.cut();
  await bed.close();
});

function patch(body: unknown, ifMatch?: string): Promise<HttpAnswer> {
  return write('PATCH', body, ifMatch);
}

function write(method: 'PATCH' | 'PUT', body: unknown, ifMatch?: string): Promise<HttpAnswer> {
  return bed.call(method, '/twins/d1', {
    body,
    policy: 'service',
    ...(ifMatch !== undefined && { headers: { 'if-match': ifMatch } }),
  });
}

async function watching(...topics: string[]): Promise<RawClient> {
  const client = await device.connect();
  for (const topic of topics) await client.subscribe(topic);
  return client;
}

async function nextJson(client: RawClient): Promise<[string, unknown]> {
  const { topic, payload, messageId } = await client.next('publish');
  if (messageId !== undefined) client.send({ cmd: 'puback', messageId });
  const text = payload.toString();
  return [topic, text === '' ? undefined : JSON.parse(text)];
}

describe('twin over HTTP', () => {
  it('ok: a new twin, as captured', async () => {
    const { status, headers, body } = await bed.call('GET', '/twins/d1');
    expect([status, headers.etag]).toEqual([200, '"AAAAAAAAAAE="']);
    const { thumbprint } = { thumbprint: bed.hub.registry.require('d1').identity.authentication.x509Thumbprint };
    expect(JSON.stringify(body)).toBe(
      JSON.stringify({
        deviceId: 'd1',
        etag: 'AAAAAAAAAAE=',
        deviceEtag: bed.hub.registry.require('d1').identity.etag,
        status: 'enabled',
        statusUpdateTime: '0001-01-01T00:00:00Z',
        connectionState: 'Disconnected',
        lastActivityTime: '0001-01-01T00:00:00Z',
        cloudToDeviceMessageCount: 0,
        authenticationType: 'selfSigned',
        x509Thumbprint: thumbprint,
        modelId: '',
        version: 2,
        properties: {
          desired: { $metadata: { $lastUpdated: start }, $version: 1 },
          reported: { $metadata: { $lastUpdated: start }, $version: 1 },
        },
        capabilities: { iotEdge: false },
      }),
    );
  });

  it('ok: a patch merges deeply and stamps the levels that it writes', async () => {
    await patch({ properties: { desired: { a: { b: 1, c: [1, 2] }, d: 'x' } } });
    clock.advance(10_000);
    const { body } = await patch({
      tags: { line: '1' },
      properties: { desired: { a: { b: null, e: { f: true } }, d: { g: 1 } } },
    });
    const second = '2026-01-01T00:00:20.0000000Z';
    const [old, fresh] = [
      { $lastUpdated: later, $lastUpdatedVersion: 2 },
      { $lastUpdated: second, $lastUpdatedVersion: 3 },
    ];
    expect(body).toMatchObject({ etag: 'AAAAAAAAAAM=', version: 4, tags: { line: '1' } });
    expect((body as { properties: { desired: unknown } }).properties.desired).toEqual({
      a: { c: [1, 2], e: { f: true } },
      d: { g: 1 },
      $metadata: { ...fresh, a: { ...fresh, c: old, e: { ...fresh, f: fresh } }, d: { ...fresh, g: fresh } },
      $version: 3,
    });
  });

  it('ok: PUT replaces the parts that it names', async () => {
    await patch({ tags: { a: 1, b: 2 }, properties: { desired: { a: 1, b: 2 } } });
    const { body } = await write('PUT', { properties: { desired: { b: 3 } } });
    expect(body).toMatchObject({ tags: { a: 1, b: 2 }, version: 4 });
    const { desired } = (body as { properties: { desired: Record<string, unknown> } }).properties;
    expect(Object.keys(desired)).toEqual(['b', '$metadata', '$version']);
    await expect(write('PUT', { tags: { c: 1 } })).resolves.toMatchObject({
      body: { tags: { c: 1 }, properties: { desired: { b: 3, $version: 3 } } },
    });
    const emptied = await write('PUT', { tags: null, properties: { desired: null } });
    expect((emptied.body as { tags: unknown }).tags).toEqual({});
    expect(emptied.body).toMatchObject({ properties: { desired: { $version: 4 } } });
  });

  it('ok: null empties tags and desired properties', async () => {
    await patch({ tags: { a: 1 }, properties: { desired: { a: 1, b: { c: 1 } } } });
    const { body } = await patch({ tags: null, properties: { desired: null } });
    const twin = body as { tags: unknown; properties: { desired: Record<string, unknown> } };
    expect(twin.tags).toEqual({});
    expect(Object.keys(twin.properties.desired)).toEqual(['$metadata', '$version']);
  });

  it('ok: a whole twin sent back changes nothing but what was edited', async () => {
    await patch({ tags: { a: 1 }, properties: { desired: { a: 1 } } });
    const { body: whole } = await bed.call('GET', '/twins/d1');
    const { body } = await patch({ ...(whole as object), version: 99, deviceId: 'other' });
    expect(body).toMatchObject({
      deviceId: 'd1',
      version: 4,
      tags: { a: 1 },
      properties: { desired: { a: 1, $version: 3 } },
    });
  });

  it('ok: a key named __proto__ is a key like any other', async () => {
    const { body } = await patch('{"tags":{"__proto__":{"x":1}},"properties":{"desired":{"__proto__":{"y":1}}}}');
    expect(JSON.stringify(body)).toContain('"tags":{"__proto__":{"x":1}}');
    expect(JSON.stringify(body)).toContain('"desired":{"__proto__":{"y":1},"$metadata"');
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it.each([
    ['"AAAAAAAAAAE="', 200],
    ['*', 200],
    ['"*"', 200],
    ['W/"AAAAAAAAAAE="', 200],
    ['stale-but-unquoted', 200],
    ['"AAAAAAAAAAI="', 412],
  ])('If-Match %s answers %d', async (ifMatch, status) => {
    const answer = await patch({ tags: { a: 1 } }, ifMatch);
    expect(answer.status).toBe(status);
    if (status === 412) {
      expect(answer.headers['iothub-errorcode']).toBe('PreconditionFailed');
      expect(answer.body).toMatchObject({ Message: 'ErrorCode:PreconditionFailed;Precondition failed: Invalid ETag' });
    }
  });

  const nested = (levels: number): object => (levels === 0 ? { leaf: 1 } : { level: nested(levels - 1) });

  it.each<[string, object]>([
    ['ten levels', { properties: { desired: nested(10) } }],
    ['a text of 4 KiB', { tags: { a: 'x'.repeat(4096) } }],
    ['the largest integers', { tags: { a: 4503599627370495, b: -4503599627370496, c: 0.5 } }],
    ['a key of 1 KiB', { tags: { ['k'.repeat(1024)]: 1 } }],
  ])('ok: %s', async (_name, body) => {
    await expect(patch(body)).resolves.toMatchObject({ status: 200 });
  });

  it.each<[string, object, string]>([
    ['eleven levels', { properties: { desired: nested(11) } }, 'is deeper than 10 levels'],
    ['a longer text', { tags: { a: ['x'.repeat(4097)] } }, 'the text at tags.a[0] is longer than 4096 bytes'],
    ['a larger integer', { tags: { a: 4503599627370496 } }, 'the integer at tags.a'],
    ['a smaller integer', { tags: { a: -4503599627370497 } }, 'the integer at tags.a'],
    ['a key with a dot', { properties: { desired: { a: { 'b.c': 1 } } } }, "key 'b.c' in desired.a contains"],
    ['a key with $', { tags: { $a: 1 } }, "key '$a' in tags"],
    ['a key with a space', { tags: { 'a b': 1 } }, "key 'a b' in tags"],
    ['a key with a control character', { tags: { 'a\u0085': 1 } }, 'in tags contains a control character'],
    ['a longer key', { tags: { ['k'.repeat(1025)]: 1 } }, 'has 1025 bytes'],
    ['an empty key', { tags: { '': 1 } }, 'has 0 bytes'],
    [
      'tags above 8 KiB',
      { tags: { a: 'x'.repeat(4096), b: 'x'.repeat(4096) } },
      'tags may have 8192 bytes and would have 8194',
    ],
    ['tags that are no object', { tags: [] }, 'tags has to be an object'],
    ['desired that is no object', { properties: { desired: 1 } }, 'desired has to be an object'],
  ])('fail: %s', async (_name, body, text) => {
    const answer = await patch(body);
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'ArgumentInvalid']);
    expect((answer.body as { Message: string }).Message).toContain(text);
    await expect(bed.call('GET', '/twins/d1')).resolves.toMatchObject({ body: { version: 2 } });
  });

  it('fail: desired above 32 KiB in the sum of several patches', async () => {
    for (let count = 0; count < 7; count += 1) {
      await expect(patch({ properties: { desired: { [`k${count}`]: 'x'.repeat(4096) } } })).resolves.toMatchObject({
        status: 200,
      });
    }
    const answer = await patch({ properties: { desired: { k7: 'x'.repeat(4096) } } });
    expect((answer.body as { Message: string }).Message).toContain('desired may have 32768 bytes and would have 32784');
  });

  it('fail: no body, not JSON, unknown device', async () => {
    await expect(patch(undefined)).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': 'ArgumentNull' },
    });
    await expect(patch('{')).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': 'IotHubFormatError' },
    });
    await expect(bed.call('GET', '/twins/nobody')).resolves.toMatchObject({
      status: 404,
      body: { Message: 'ErrorCode:DeviceNotFound;nobody' },
    });
  });
});

describe('twin on the device', () => {
  it('ok: get shows both sections without tags and metadata', async () => {
    await patch({ tags: { a: 1 }, properties: { desired: { target: 21 } } });
    const client = await watching('$iothub/twin/res/#');
    device.send('$iothub/twin/GET/?$rid=abc-1', ' ');
    await expect(nextJson(client)).resolves.toEqual([
      '$iothub/twin/res/200/?$rid=abc-1',
      { desired: { target: 21, $version: 2 }, reported: { $version: 1 } },
    ]);
  });

  it('ok: reported properties are merged, numbered, and leave the etag alone', async () => {
    const client = await watching('$iothub/twin/res/#');
    device.send('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"a":{"b":1,"c":2}}');
    await expect(nextJson(client)).resolves.toEqual(['$iothub/twin/res/204/?$rid=1&$version=2', undefined]);
    device.send('$iothub/twin/PATCH/properties/reported/?$rid=2', '{"a":{"b":null}}');
    await expect(nextJson(client)).resolves.toEqual(['$iothub/twin/res/204/?$rid=2&$version=3', undefined]);
    const { body } = await bed.call('GET', '/twins/d1');
    expect(body).toMatchObject({ etag: 'AAAAAAAAAAE=', version: 4 });
    expect((body as { properties: { reported: unknown } }).properties.reported).toEqual({
      a: { c: 2 },
      $metadata: { $lastUpdated: later, a: { $lastUpdated: later, c: { $lastUpdated: later } } },
      $version: 3,
    });
  });

  it.each([
    ['not JSON', '{', 400006, 'reported properties are not JSON'],
    ['an array', '[]', 400004, 'reported properties have to be an object'],
    ['a bad key', '{"a.b":1}', 400004, "key 'a.b' in reported"],
  ])('fail: a patch that is %s is answered with 400', async (_name, payload, errorCode, message) => {
    const client = await watching('$iothub/twin/res/#');
    device.send('$iothub/twin/PATCH/properties/reported/?$rid=1', payload);
    const [topic, body] = await nextJson(client);
    expect(topic).toBe('$iothub/twin/res/400/?$rid=1');
    expect(body).toMatchObject({ errorCode, message: expect.stringContaining(message) });
    expect(bed.hub.twinOf('d1')).toMatchObject({ version: 2 });
  });

  it('ok: desired changes are told with their version, while subscribed only', async () => {
    const client = await watching('$iothub/twin/PATCH/properties/desired/#');
    await patch({ properties: { desired: { a: { b: 1 }, c: 1 } } });
    await expect(nextJson(client)).resolves.toEqual([
      '$iothub/twin/PATCH/properties/desired/?$version=2',
      { a: { b: 1 }, c: 1, $version: 2 },
    ]);
    await patch({ properties: { desired: { a: { b: null } } } });
    await expect(nextJson(client)).resolves.toEqual([
      '$iothub/twin/PATCH/properties/desired/?$version=3',
      { a: { b: null }, $version: 3 },
    ]);
    await patch({ tags: { a: 1 } });
    await write('PUT', { properties: { desired: { d: 1 } } });
    // What the device merges into its old properties gives the new ones.
    await expect(nextJson(client)).resolves.toEqual([
      '$iothub/twin/PATCH/properties/desired/?$version=4',
      { d: 1, a: null, c: null, $version: 4 },
    ]);
    await patch({ properties: { desired: null } });
    await expect(nextJson(client)).resolves.toEqual([
      '$iothub/twin/PATCH/properties/desired/?$version=5',
      { d: null, $version: 5 },
    ]);
    await device.cut();
    await patch({ properties: { desired: { missed: true } } });
    const again = await device.connect();
    await again.ping();
    expect(again.unread).toEqual([]);
  });

  it('fail: a request without a subscription to the answers stays unanswered, and the log says so', async () => {
    const client = await device.connect();
    device.send('$iothub/twin/GET/?$rid=1');
    await client.ping();
    expect(client.unread).toEqual([]);
    expect(bed.log.join('\n')).toContain('twin request without a subscription to $iothub/twin/res/#');
  });
});

describe('twins of provisioned devices', () => {
  it('ok: the initial twin at first, kept on a second provisioning', () => {
    const thumbprints = { primary: 'A'.repeat(40), secondary: 'A'.repeat(40) };
    const initialTwin = { tags: { line: '1' }, desired: { target: 21 } };
    bed.hub.provision({ deviceId: 'd2', thumbprints, initialTwin, capabilities: { iotEdge: true } });
    expect(bed.hub.twinOf('d2')).toMatchObject({
      tags: { line: '1' },
      version: 2,
      properties: { desired: { target: 21, $version: 1 } },
    });
    bed.hub.updateTwin('d2', { properties: { desired: { target: 24 } } }, { mode: 'patch', precondition: 'none' });
    bed.hub.provision({
      deviceId: 'd2',
      thumbprints: { primary: 'B'.repeat(64), secondary: 'B'.repeat(64) },
      initialTwin,
    });
    expect(bed.hub.twinOf('d2')).toMatchObject({
      version: 3,
      x509Thumbprint: { primaryThumbprint: 'B'.repeat(64) },
      properties: { desired: { target: 24, $version: 2 } },
      capabilities: { iotEdge: true },
    });
  });

  it('ok: migration takes tags, desired and reported along; a reset starts anew', async () => {
    await patch({ tags: { line: '1' }, properties: { desired: { target: 24 } } });
    await watching('$iothub/twin/res/#').then((client) => {
      device.send('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"target":24}');
      return nextJson(client);
    });
    const exported = bed.hub.exportDevice('d1');
    expect(exported).toEqual({ tags: { line: '1' }, desired: { target: 24 }, reported: { target: 24 } });
    const other = await openHub();
    const symmetricKeys = {
      primary: Buffer.alloc(32).toString('base64'),
      secondary: Buffer.alloc(32).toString('base64'),
    };
    other.hub.provision({ deviceId: 'd1', symmetricKeys, initialTwin: { desired: { target: 0 } } }, exported);
    const migrated = {
      tags: { line: '1' },
      properties: { desired: { target: 24, $version: 1 }, reported: { target: 24, $version: 1 } },
    };
    expect(other.hub.twinOf('d1')).toMatchObject(migrated);
    other.hub.remove('d1');
    other.hub.remove('d1');
    expect(other.hub.hasDevice('d1')).toBe(false);
    other.hub.provision({ deviceId: 'd1', symmetricKeys, initialTwin: { desired: { target: 0 } } });
    expect(other.hub.twinOf('d1')).toMatchObject({ properties: { desired: { target: 0 } } });
    other.hub.provision({ deviceId: 'd1', symmetricKeys }, exported);
    expect(other.hub.twinOf('d1')).toMatchObject(migrated);
    expect(other.hub.exportDevice('nobody')).toBeUndefined();
    expect(other.hub.twinOf('nobody')).toBeUndefined();
    await other.close();
  });
});
