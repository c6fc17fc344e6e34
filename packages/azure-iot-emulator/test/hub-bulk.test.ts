import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';

let bed: HubTestBed;

beforeEach(async () => {
  bed = await openHub();
});

afterEach(() => bed.close());

function bulk(...items: readonly object[]): Promise<HttpAnswer> {
  return bed.call('POST', '/devices', { body: items });
}

const done = { status: 200, body: { isSuccessful: true, errors: [], warnings: [] } };

describe('POST /devices', () => {
  it('ok: creates, changes and deletes, in mixed modes and any case', async () => {
    bed.hub.registry.create('old', {});
    bed.hub.registry.create('gone', {});
    const { etag } = bed.hub.registry.require('old').identity;
    await expect(
      bulk(
        { id: 'a', importMode: 'create', tags: { line: '1' }, properties: { desired: { x: 1, $version: 7 } } },
        { id: 'a', moduleId: 'm', importMode: 'Create' },
        { id: 'old', importMode: 'UpdateIfMatchETag', eTag: etag, status: 'disabled', statusReason: 'why' },
        { id: 'gone', importMode: 'Delete' },
      ),
    ).resolves.toMatchObject(done);
    expect(bed.hub.twinOf('a')).toMatchObject({ tags: { line: '1' }, properties: { desired: { x: 1, $version: 1 } } });
    expect(bed.hub.registry.find({ deviceId: 'a', moduleId: 'm' })).toBeDefined();
    expect(bed.hub.registry.require('old').identity).toMatchObject({ status: 'disabled', statusReason: 'why' });
    expect(bed.hub.hasDevice('gone')).toBe(false);
  });

  it('ok: twins and modules, with and without their ETags', async () => {
    bed.hub.registry.create('a', {});
    await bulk({ id: 'a', moduleId: 'm', importMode: 'create' });
    await expect(
      bulk(
        { id: 'a', importMode: 'updateTwin', tags: { t: 1 } },
        {
          id: 'a',
          moduleId: 'm',
          importMode: 'updateTwinIfMatchETag',
          twinETag: 'AAAAAAAAAAE=',
          properties: { desired: { y: 2 } },
        },
      ),
    ).resolves.toMatchObject(done);
    expect(bed.hub.twinOf('a')).toMatchObject({ tags: { t: 1 } });
    expect(bed.hub.twinOf({ deviceId: 'a', moduleId: 'm' })).toMatchObject({ properties: { desired: { y: 2 } } });
    const { etag } = bed.hub.registry.requireModule({ deviceId: 'a', moduleId: 'm' }).identity;
    await expect(bulk({ id: 'a', moduleId: 'm', importMode: 'update', managedBy: 'me' })).resolves.toMatchObject(done);
    await expect(bulk({ id: 'a', moduleId: 'm', importMode: 'deleteIfMatchETag', eTag: etag })).resolves.toMatchObject({
      status: 400,
      body: { errors: [{ deviceId: 'a', moduleId: 'm', errorCode: 412001 }] },
    });
    await expect(bulk({ id: 'a', moduleId: 'm', importMode: 'delete' })).resolves.toMatchObject(done);
  });

  it('fail: what is wrong is listed, what is right is done', async () => {
    bed.hub.registry.create('a', {});
    const answer = await bulk(
      { id: 'a', importMode: 'create' },
      { id: 'b', importMode: 'create' },
      { id: 'c', importMode: 'update' },
      { id: 'a', moduleId: 'm', importMode: 'delete' },
    );
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'BulkRegistryOperationFailure']);
    expect(answer.body).toEqual({
      isSuccessful: false,
      errors: [
        { deviceId: 'a', errorCode: 409001, errorStatus: 'Conflict', operation: 'create' },
        { deviceId: 'c', errorCode: 404001, errorStatus: 'c', operation: 'update' },
        { deviceId: 'a', moduleId: 'm', errorCode: 404010, errorStatus: 'a/m', operation: 'delete' },
      ],
      warnings: [],
    });
    expect(bed.hub.hasDevice('b')).toBe(true);
  });

  it('ok: a twin that cannot be taken is a warning', async () => {
    await expect(bulk({ id: 'a', importMode: 'create', tags: { 'a.b': 1 } })).resolves.toMatchObject({
      status: 200,
      body: { isSuccessful: true, warnings: [{ deviceId: 'a', warningCode: 'DeviceRegisteredWithoutTwin' }] },
    });
    expect(bed.hub.twinOf('a')).not.toHaveProperty('tags');
  });

  it.each<[string, unknown, string]>([
    ['no array', {}, 'ArgumentNull'],
    ['none', [], 'ArgumentInvalid'],
    ['101', Array.from({ length: 101 }, (_, index) => ({ id: `d${index}`, importMode: 'create' })), 'ArgumentInvalid'],
    ['no id', [{ importMode: 'create' }], 'ArgumentInvalid'],
    ['no mode', [{ id: 'a' }], 'ArgumentInvalid'],
    ['an unknown mode', [{ id: 'a', importMode: 'createOrUpdate' }], 'ArgumentInvalid'],
    ['a module ID that is no text', [{ id: 'a', moduleId: 1, importMode: 'create' }], 'ArgumentInvalid'],
    [
      'an ID twice',
      [
        { id: 'a', importMode: 'create' },
        { id: 'a', importMode: 'delete' },
      ],
      'DeviceDefinedMultipleTimes',
    ],
  ])('fail: %s refuses the whole request', async (_what, body, errorName) => {
    await expect(bed.call('POST', '/devices', { body })).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': errorName },
    });
    expect(bed.hub.registry.all()).toEqual([]);
  });
});
