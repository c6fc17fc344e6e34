import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RawDevice } from './hub-raw-device.ts';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import type { RawClient } from './mqtt-raw-client.ts';

let clock: FakeClock;
let bed: HubTestBed;
let device: RawDevice;

beforeEach(async () => {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer });
  device = await RawDevice.register(bed, 'd1');
});

afterEach(async () => {
  await device.cut();
  await bed.close();
});

async function listening(): Promise<RawClient> {
  const client = await device.connect();
  await client.subscribe('$iothub/methods/POST/#', 0);
  return client;
}

function invoke(body: unknown, deviceId = 'd1'): Promise<HttpAnswer> {
  return bed.call('POST', `/twins/${deviceId}/methods`, { body, policy: 'service' });
}

async function requestId(client: RawClient): Promise<string> {
  const { topic } = await client.next('publish');
  return /\?\$rid=(.+)$/.exec(topic)![1]!;
}

/** The JSON inside of `Message`. */
function inner({ body }: HttpAnswer): unknown {
  const { Message, ExceptionMessage } = body as { Message: string; ExceptionMessage: string };
  expect(ExceptionMessage).toBe('');
  return JSON.parse(Message);
}

describe('direct methods', () => {
  it('ok: request on QoS 0 with the payload, answer as the device gave it', async () => {
    const client = await listening();
    const answered = invoke({ methodName: 'reboot' });
    const { topic, payload, qos } = await client.next('publish');
    expect([topic, payload.toString(), qos]).toEqual(['$iothub/methods/POST/reboot/?$rid=1', 'null', 0]);
    device.send('$iothub/methods/res/-5/?$rid=1');
    await expect(answered).resolves.toMatchObject({ status: 200, body: { status: -5, payload: null } });
  });

  it('ok: two calls at a time find their answers', async () => {
    const client = await listening();
    const first = invoke({ methodName: 'a', payload: 1 });
    const firstId = await requestId(client);
    const second = invoke({ methodName: 'b', payload: 2 });
    const secondId = await requestId(client);
    device.send(`$iothub/methods/res/200/?$rid=${secondId}`, '"second"');
    device.send(`$iothub/methods/res/200/?$rid=${firstId}`, '"first"');
    await expect(first).resolves.toMatchObject({ body: { payload: 'first' } });
    await expect(second).resolves.toMatchObject({ body: { payload: 'second' } });
  });

  it('fail: no answer within the response timeout is 504101, and a late answer is passed over', async () => {
    const client = await listening();
    const answered = invoke({ methodName: 'slow', responseTimeoutInSeconds: 7 });
    const id = await requestId(client);
    clock.advance(7000);
    const answer = await answered;
    expect(answer.status).toBe(504);
    expect(answer.headers['iothub-errorcode']).toBe('GatewayTimeout');
    expect(inner(answer)).toMatchObject({
      errorCode: 504101,
      message: 'Timed out waiting for the response from device.',
      info: {},
      timestampUtc: '2026-01-01T00:00:07.0000000Z',
      trackingId: expect.stringMatching(/^[0-9a-f]{32}-G:0-TimeStamp:01\/01\/2026 00:00:07$/),
    });
    device.send(`$iothub/methods/res/200/?$rid=${id}`, '1');
    await client.ping();
  });

  it('fail: offline is 404103 at once', async () => {
    const answer = await invoke({ methodName: 'm' });
    expect(answer.status).toBe(404);
    expect(answer.headers['iothub-errorcode']).toBe('DeviceNotOnline');
    expect(inner(answer)).toMatchObject({
      errorCode: 404103,
      message: 'Timed out waiting for device to connect.',
      info: { timeout: '00:00:00' },
    });
  });

  it('fail: connected without a subscription is 404103', async () => {
    await device.connect();
    expect(inner(await invoke({ methodName: 'm' }))).toMatchObject({ errorCode: 404103 });
  });

  it('ok: the connect timeout waits for the device, and for its subscription', async () => {
    const answered = invoke({ methodName: 'm', connectTimeoutInSeconds: 60 });
    const client = await listening();
    const id = await requestId(client);
    device.send(`$iothub/methods/res/200/?$rid=${id}`, '{}');
    await expect(answered).resolves.toMatchObject({ status: 200 });
  });

  it('fail: the connect timeout runs out', async () => {
    const answered = invoke({ methodName: 'm', connectTimeoutInSeconds: 60 });
    while (!clock.delaysMs.includes(60_000)) await new Promise(setImmediate);
    clock.advance(60_000);
    expect(inner(await answered)).toMatchObject({ errorCode: 404103, info: { timeout: '00:01:00' } });
  });

  it('fail: the device drops during the call', async () => {
    const client = await listening();
    const answered = invoke({ methodName: 'm' });
    await requestId(client);
    await device.cut();
    expect(inner(await answered)).toMatchObject({ errorCode: 404103, message: 'Device unavailable' });
  });

  it('fail: a newer connection takes over during the call', async () => {
    const client = await listening();
    const answered = invoke({ methodName: 'm' });
    await requestId(client);
    await device.connect();
    const answer = await answered;
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([
      400,
      'ConnectionForcefullyClosedOnNewConnection',
    ]);
    expect(inner(answer)).toMatchObject({ errorCode: 400027 });
  });

  it('fail: an answer that is not JSON', async () => {
    const client = await listening();
    const answered = invoke({ methodName: 'm' });
    device.send(`$iothub/methods/res/200/?$rid=${await requestId(client)}`, 'not json');
    expect((await answered).status).toBe(502);
    expect(inner(await answered)).toMatchObject({ errorCode: 502000 });
  });

  it('fail: an unknown device', async () => {
    const answer = await invoke({ methodName: 'm' }, 'nobody');
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([404, 'DeviceNotFound']);
    expect(inner(answer)).toMatchObject({ errorCode: 404001, message: 'NotFound' });
  });

  it.each([
    ['no body', undefined, 'methodName'],
    ['no name', {}, 'methodName is missing'],
    ['a name with a wildcard', { methodName: 'a/#' }, "method name 'a/#'"],
    ['a name too long', { methodName: 'a'.repeat(101) }, 'has to be 1 to 100'],
    [
      'a response timeout too short',
      { methodName: 'm', responseTimeoutInSeconds: 4 },
      'responseTimeoutInSeconds has to be 5 to 300',
    ],
    ['a response timeout too long', { methodName: 'm', responseTimeoutInSeconds: 301 }, 'has to be 5 to 300'],
    ['a connect timeout too long', { methodName: 'm', connectTimeoutInSeconds: 301 }, 'has to be 0 to 300'],
    ['a timeout that is no number', { methodName: 'm', connectTimeoutInSeconds: 'x' }, 'has to be a number'],
  ])('fail: %s', async (_name, body, text) => {
    const answer = await invoke(body);
    expect([answer.status, answer.headers['iothub-errorcode']]).toEqual([400, 'ArgumentInvalid']);
    expect(inner(answer)).toMatchObject({ errorCode: 400004, message: expect.stringContaining(text) });
  });

  it('fail: a payload above 128 KiB', async () => {
    const answer = await invoke({ methodName: 'm', payload: 'x'.repeat(128 * 1024 - 1) });
    expect([answer.status, inner(answer)]).toMatchObject([413, { errorCode: 413001 }]);
  });
});
