import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openHub, type HttpAnswer, type HubTestBed } from './hub-test-bed.ts';
import { RawDevice } from './hub-raw-device.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

const path = '/messages/serviceBound/feedback';
const topic = 'devices/d1/messages/devicebound/#';

let clock: FakeClock;
let bed: HubTestBed;

beforeEach(async () => {
  clock = new FakeClock();
  bed = await openHub({ now: clock.now, startTimer: clock.startTimer });
});

afterEach(() => bed.close());

function send(messageId: string, options: object = {}): void {
  bed.hub.sendToDevice('d1', { body: Buffer.from('x'), messageId, ack: 'full', ...options });
}

function receive(): Promise<HttpAnswer> {
  return bed.call('GET', path);
}

function lockOf(answer: HttpAnswer): string {
  return String(answer.headers.etag).replaceAll('"', '');
}

describe('feedback at its time', () => {
  it('ok: a message that nobody fetches expires without anybody looking', async () => {
    await RawDevice.register(bed, 'd1');
    send('m1', { expiryTimeMs: clock.now() + 5000 });
    send('m2');
    clock.advance(4999);
    expect(bed.hub.feedback.list()).toEqual([]);
    clock.advance(1);
    expect(bed.hub.feedback.list()).toMatchObject([
      { originalMessageId: 'm1', statusCode: 'Expired', enqueuedTimeMs: clock.now() },
    ]);
    clock.advance(3_600_000 - 5000);
    expect(bed.hub.feedback.list().map(({ originalMessageId }) => originalMessageId)).toEqual(['m1', 'm2']);
  });

  it('ok: one that is under way expires when its lock ends, not before', async () => {
    const device = await RawDevice.register(bed, 'd1');
    const client = await device.connect();
    await client.subscribe(topic);
    send('m1', { expiryTimeMs: clock.now() + 5000 });
    await client.next('publish');
    clock.advance(59_999);
    expect(bed.hub.feedback.list()).toEqual([]);
    clock.advance(1);
    expect(bed.hub.feedback.list()).toMatchObject([{ statusCode: 'Expired' }]);
    client.destroy();
  });

  it('ok: DUP and the same packet identifier on the next connection', async () => {
    const device = await RawDevice.register(bed, 'd1');
    const first = await device.connect();
    await first.subscribe(topic);
    send('m1');
    const { messageId, dup } = await first.next('publish');
    expect([messageId! >= 0x8000, dup]).toEqual([true, false]);
    await device.cut();
    const second = await device.connect();
    await expect(second.next('publish')).resolves.toMatchObject({ messageId, dup: true });
    second.destroy();
  });

  it('ok: a device that is deleted takes its messages with it, without feedback', async () => {
    await RawDevice.register(bed, 'd1');
    send('m1');
    bed.hub.remove('d1');
    clock.advance(7_200_000);
    expect(bed.hub.feedback.list()).toEqual([]);
  });
});

describe('the service-bound feedback queue', () => {
  beforeEach(async () => {
    await RawDevice.register(bed, 'd1');
  });

  function purge(count = 1): void {
    for (let index = 0; index < count; index += 1) send(`m${index}`);
    bed.hub.registry.require('d1').messages.purge();
  }

  it('ok: 204 while there is none, a batch after 15 s', async () => {
    await expect(receive()).resolves.toMatchObject({ status: 204 });
    purge(2);
    clock.advance(14_999);
    await expect(receive()).resolves.toMatchObject({ status: 204 });
    clock.advance(1);
    const batch = await receive();
    expect(batch).toMatchObject({
      status: 200,
      headers: { 'iothub-sequencenumber': '1', 'iothub-deliverycount': '0', 'iothub-userid': 'h1' },
      body: [{ originalMessageId: 'm0' }, { originalMessageId: 'm1' }],
    });
    expect((batch.body as unknown[])[0]).toEqual({
      originalMessageId: 'm0',
      description: 'Purged',
      deviceGenerationId: bed.hub.registry.require('d1').identity.generationId,
      deviceId: 'd1',
      enqueuedTimeUtc: '2026-01-01T00:00:00.0000000Z',
      statusCode: 'Purged',
    });
    await expect(receive()).resolves.toMatchObject({ status: 204 });
    await expect(bed.call('DELETE', `${path}/${lockOf(batch)}`)).resolves.toMatchObject({ status: 204 });
    clock.advance(60_000);
    await expect(receive()).resolves.toMatchObject({ status: 204 });
  });

  it('ok: 64 records make a batch at once', async () => {
    purge(50);
    purge(15);
    expect((await receive()).body).toHaveLength(64);
    await expect(receive()).resolves.toMatchObject({ status: 204 });
  });

  it('ok: abandoned or with a lock that ran out, it comes again; after ten times it is gone', async () => {
    purge();
    clock.advance(15_000);
    const first = await receive();
    clock.advance(60_000);
    const second = await receive();
    expect(second.body).toEqual(first.body);
    await expect(bed.call('DELETE', `${path}/${lockOf(first)}`)).resolves.toMatchObject({
      status: 412,
      headers: { 'iothub-errorcode': 'DeviceMessageLockLost' },
    });
    let batch = second;
    for (let count = 1; count <= 9; count += 1) {
      await expect(bed.call('POST', `${path}/${lockOf(batch)}/abandon`)).resolves.toMatchObject({ status: 204 });
      batch = await receive();
      expect(batch.headers['iothub-deliverycount']).toBe(String(count));
    }
    await bed.call('POST', `${path}/${lockOf(batch)}/abandon`);
    await expect(receive()).resolves.toMatchObject({ status: 204 });
  });

  it('ok: an hour old, it is gone', async () => {
    purge();
    clock.advance(15_000 + 3_600_000);
    await expect(receive()).resolves.toMatchObject({ status: 204 });
  });
});
