import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RawDevice } from './hub-raw-device.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import type { RawClient } from './mqtt-raw-client.ts';

const topic = 'devices/d1/messages/devicebound/#';
const hourMs = 3_600_000;
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

function send(text: string, options: object = {}): string {
  return bed.hub.sendToDevice('d1', { body: Buffer.from(text), ...options }).messageId;
}

function waiting(): unknown {
  return bed.hub.twinOf('d1')!.cloudToDeviceMessageCount;
}

/** Takes the next message without acknowledging it. */
async function receive(
  client: RawClient,
): Promise<{ text: string; topic: string; qos: number; acknowledge: () => void }> {
  const { payload, messageId, ...packet } = await client.next('publish');
  return {
    ...packet,
    text: payload.toString(),
    acknowledge: () => client.send({ cmd: 'puback', messageId: messageId! }),
  };
}

describe('delivery', () => {
  it('ok: ten times and not again: then its sender hears that the delivery count is exceeded', async () => {
    send('poison', { ack: 'full' });
    let client = await device.connect({ clean: false });
    await client.subscribe(topic);
    for (let time = 1; time <= 5; time += 1) {
      expect((await receive(client)).text).toBe('poison');
      clock.advance(60_000);
    }
    for (let time = 6; time <= 10; time += 1) {
      if (time > 6) expect((await receive(client)).text).toBe('poison');
      await device.cut();
      expect(waiting()).toBe(time < 10 ? 1 : 0);
      client = await device.connect({ clean: false });
    }
    await client.ping();
    expect(client.unread).toEqual([]);
    expect(bed.hub.feedback.list()).toMatchObject([{ statusCode: 'DeliveryCountExceeded' }]);
  });

  it('ok: in order, one acknowledgement each', async () => {
    send('one');
    const client = await device.connect();
    await client.subscribe(topic);
    send('two');
    const [first, second] = [await receive(client), await receive(client)];
    expect([first.text, second.text, first.qos]).toEqual(['one', 'two', 1]);
    expect(waiting()).toBe(2);
    second.acknowledge();
    await client.ping();
    expect(waiting()).toBe(1);
    first.acknowledge();
    await client.ping();
    expect(waiting()).toBe(0);
  });

  it('ok: the topic carries the properties as the hub encodes them', async () => {
    send('x', {
      messageId: 'm/1',
      correlationId: 'c&1',
      userId: 'u',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      ack: 'full',
      properties: { 'a b': 'ü=', nothing: null, empty: '' },
    });
    const client = await device.connect();
    await client.subscribe(topic);
    const message = await receive(client);
    expect(message.topic).toBe(
      'devices/d1/messages/devicebound/%24.mid=m%2F1&%24.to=%2Fdevices%2Fd1%2Fmessages%2Fdevicebound&%24.cid=c%261' +
        '&%24.uid=u&%24.ct=application%2Fjson&%24.ce=utf-8&iothub-ack=full&a%20b=%C3%BC%3D&nothing&empty=',
    );
  });

  it('ok: what is not acknowledged comes again after a drop, in the old order', async () => {
    const first = await device.connect();
    await first.subscribe(topic);
    for (const text of ['one', 'two', 'three']) send(text);
    await receive(first);
    (await receive(first)).acknowledge();
    await first.ping();
    await device.cut();
    // The session is kept: no new subscription is needed.
    const second = await device.connect();
    expect([(await receive(second)).text, (await receive(second)).text]).toEqual(['one', 'three']);
  });

  it('ok: a newer connection gets what the older one did not acknowledge', async () => {
    const older = await device.connect();
    await older.subscribe(topic);
    send('one');
    await receive(older);
    const newer = await device.connect();
    const again = await receive(newer);
    again.acknowledge();
    await newer.ping();
    expect([again.text, waiting()]).toEqual(['one', 0]);
  });

  it('ok: a subscription of QoS 0 completes with the sending', async () => {
    const client = await device.connect();
    await client.subscribe(topic, 0);
    send('one', { ack: 'full' });
    await expect(receive(client)).resolves.toMatchObject({ text: 'one', qos: 0 });
    await client.ping();
    expect(waiting()).toBe(0);
    expect(bed.hub.feedback.list()).toMatchObject([{ statusCode: 'Success' }]);
  });

  it('ok: nothing without a subscription, and a clean session takes the queue with it', async () => {
    send('one', { ack: 'full' });
    const client = await device.connect();
    await client.ping();
    expect(client.unread).toEqual([]);
    await device.cut();
    const clean = await device.connect({ clean: true });
    await clean.subscribe(topic);
    await clean.ping();
    expect(clean.unread).toEqual([]);
    expect(bed.hub.feedback.list()).toMatchObject([{ statusCode: 'Purged' }]);
  });
});

describe('limits', () => {
  it('fail: the 51st message in the queue, those under way included', async () => {
    for (let count = 0; count < 50; count += 1) send(`${count}`);
    expect(() => send('51')).toThrow(
      expect.objectContaining({ errorName: 'DeviceMaximumQueueDepthExceeded', status: 403 }),
    );
    const client = await device.connect();
    await client.subscribe(topic);
    expect(() => send('51')).toThrow('Device Queue depth cannot exceed 50 messages');
    (await receive(client)).acknowledge();
    await client.ping();
    expect(() => send('51')).not.toThrow();
  });

  it('ok: messages expire, after one hour by default', async () => {
    send('default', { ack: 'negative' });
    send('short', { expiryTimeMs: clock.now() + 1000 });
    send('long', { expiryTimeMs: clock.now() + 48 * hourMs });
    clock.advance(1000);
    expect(waiting()).toBe(2);
    clock.advance(hourMs - 1001);
    expect(waiting()).toBe(2);
    clock.advance(1);
    const client = await device.connect();
    await client.subscribe(topic);
    await expect(receive(client)).resolves.toMatchObject({ text: 'long' });
    expect(bed.hub.feedback.list()).toMatchObject([{ statusCode: 'Expired', deviceId: 'd1' }]);
  });

  it('fail: too long-lived, too large, unknown device', () => {
    expect(() => send('x', { expiryTimeMs: clock.now() + 48 * hourMs + 1 })).toThrow('two days at most');
    expect(() => send('x'.repeat(65_537))).toThrow(expect.objectContaining({ errorName: 'MessageTooLarge' }));
    expect(() => bed.hub.sendToDevice('d2', { body: Buffer.from('x') })).toThrow(
      expect.objectContaining({ errorName: 'DeviceNotFound' }),
    );
  });
});

describe('feedback', () => {
  it.each([
    ['none', [], []],
    ['positive', ['Success'], []],
    ['negative', [], ['Purged']],
    ['full', ['Success'], ['Purged']],
  ])('ok: ack %s', async (ack, afterDelivery, afterPurge) => {
    const client = await device.connect();
    await client.subscribe(topic);
    send('one', { ack });
    (await receive(client)).acknowledge();
    await client.ping();
    expect(bed.hub.feedback.list().map(({ statusCode }) => statusCode)).toEqual(afterDelivery);
    await device.cut();
    send('two', { ack });
    await bed.call('DELETE', '/devices/d1/commands');
    expect(bed.hub.feedback.list(afterDelivery.length).map(({ statusCode }) => statusCode)).toEqual(afterPurge);
  });
});

describe('over HTTP', () => {
  it('ok: the emulator’s own way to send, with feedback', async () => {
    const { status, body } = await bed.call('POST', '/devices/d1/messages/devicebound', {
      policy: 'service',
      body: { body: 'hello', messageId: 'm1', ack: 'full', contentType: 'text/plain', properties: { a: '1', b: null } },
    });
    expect([status, body]).toEqual([201, { messageId: 'm1' }]);
    const client = await device.connect();
    await client.subscribe(topic);
    const message = await receive(client);
    expect(message.text).toBe('hello');
    expect(message.topic).toContain('%24.ct=text%2Fplain&iothub-ack=full&a=1&b');
    message.acknowledge();
    await expect(bed.call('GET', '/emulator/feedback?waitMs=60000')).resolves.toMatchObject({
      status: 200,
      body: { records: [{ originalMessageId: 'm1', statusCode: 'Success', deviceId: 'd1' }], lastSequenceNumber: 1 },
    });
  });

  it('ok: bytes, an expiry, and an ID made by the hub', async () => {
    const { body } = await bed.call('POST', '/devices/d1/messages/devicebound', {
      body: { bodyBase64: Buffer.from([0, 255]).toString('base64'), expiryTimeUtc: '2026-01-01T00:01:00Z' },
    });
    expect((body as { messageId: string }).messageId).toMatch(/^[0-9a-f]{32}$/);
    clock.advance(60_000);
    expect(waiting()).toBe(0);
  });

  it('ok: purge', async () => {
    send('one');
    send('two');
    await expect(bed.call('DELETE', '/devices/d1/commands')).resolves.toMatchObject({
      status: 200,
      body: { totalMessagesPurged: 2, deviceId: 'd1', moduleId: null },
    });
    await expect(bed.call('DELETE', '/devices/d2/commands')).resolves.toMatchObject({ status: 404 });
  });

  it.each([
    ['no body', undefined, 'the body has to be'],
    ['neither text nor bytes', {}, 'either body (a text) or bodyBase64 is needed'],
    ['both', { body: 'x', bodyBase64: 'eA==' }, 'either body'],
    ['unknown ack', { body: 'x', ack: 'maybe' }, 'ack has to be'],
    ['expiry that is no time', { body: 'x', expiryTimeUtc: 'soon' }, 'expiryTimeUtc'],
    ['a property that is no text', { body: 'x', properties: { a: 1 } }, "property 'a'"],
    ['properties that are no object', { body: 'x', properties: [] }, 'properties has to be an object'],
    ['an ID that is no text', { body: 'x', messageId: 1 }, 'messageId has to be a text'],
  ])('fail: %s', async (_name, body, text) => {
    const answer = await bed.call('POST', '/devices/d1/messages/devicebound', { body });
    expect(answer.status).toBe(400);
    expect((answer.body as { Message: string }).Message).toContain(`ErrorCode:ArgumentInvalid;`);
    expect((answer.body as { Message: string }).Message).toContain(text);
  });
});
