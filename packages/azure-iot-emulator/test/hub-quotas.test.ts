import { afterEach, describe, expect, it } from '@jest/globals';
import type { HubTier, Meter } from '../src/hub/hub-tier.ts';
import { dailyMessages, messagesIn, ratePerSecond } from '../src/hub/hub-tier.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { RawDevice } from './hub-raw-device.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

let bed: HubTestBed | undefined;

afterEach(() => bed?.close());

/** Nothing passes but at the limit's rate, and nothing waits longer than two seconds. */
async function open(tier: HubTier = { sku: 'S1', units: 1 }): Promise<{ bed: HubTestBed; clock: FakeClock }> {
  const clock = new FakeClock();
  bed = await openHub({
    now: clock.now,
    startTimer: clock.startTimer,
    quotas: 'enforced',
    assumptions: { throttleBurstSeconds: 0, throttleQueueSeconds: 2 },
  });
  bed.hub.quotas.setTier(tier);
  return { bed, clock };
}

describe('limits by SKU and units', () => {
  it.each<[HubTier, Partial<Record<Meter, number>>, number]>([
    [
      { sku: 'S1', units: 1 },
      { connections: 100, telemetry: 100, registry: 100 / 60, twinReads: 100, twinWrites: 50 },
      400_000,
    ],
    [{ sku: 'S1', units: 9 }, { connections: 108, telemetry: 108, messages: 15, methods: 360, queries: 3 }, 3_600_000],
    [{ sku: 'F1', units: 1 }, { connections: 100, queries: 20 / 60 }, 8000],
    [{ sku: 'S2', units: 2 }, { connections: 240, twinReads: 100, twinWrites: 50, methods: 240 }, 12_000_000],
    [{ sku: 'S2', units: 20 }, { twinReads: 200, twinWrites: 100 }, 120_000_000],
    [{ sku: 'B3', units: 1 }, { connections: 6000, registry: 5000 / 60, twinReads: 500, methods: 6144 }, 300_000_000],
  ])('ok: %j', (tier, rates, daily) => {
    const found = Object.fromEntries(Object.keys(rates).map((meter) => [meter, ratePerSecond(tier, meter as Meter)]));
    expect(found).toEqual(rates);
    expect(dailyMessages(tier)).toBe(daily);
  });

  it('ok: a message counts for each piece', () => {
    const pieces = (sku: HubTier['sku'], bytes: number): number => messagesIn({ sku, units: 1 }, bytes);
    expect([pieces('S1', 0), pieces('S1', 4096), pieces('S1', 4097), pieces('F1', 513)]).toEqual([1, 1, 2, 2]);
  });
});

describe('throttling', () => {
  it('ok: requests wait their turn, then are refused with 429 and Retry-After', async () => {
    const { bed, clock } = await open();
    bed.hub.quotas.setTier({ sku: 'S1', units: 30 });
    // 50 a second with 30 units: 101 take two seconds, and the first passes at once.
    const passed: number[] = [];
    const waits = Array.from({ length: 101 }, (_, index) =>
      Promise.resolve(bed.hub.quotas.pass('registry')).then(() => passed.push(index)),
    );
    const refused = await bed.call('GET', '/devices');
    expect([refused.status, refused.headers['iothub-errorcode'], refused.headers['retry-after']]).toEqual([
      429,
      'ThrottlingException',
      '1',
    ]);
    expect(refused.body).toMatchObject({
      Message: 'ErrorCode:ThrottlingException;Throttled, registry: 30 x S1 takes 50 a second',
    });
    expect(passed).toEqual([0]);
    clock.advance(1000);
    await Promise.resolve();
    await Promise.all(waits.slice(0, 51));
    expect(passed).toHaveLength(51);
    clock.advance(1020);
    await Promise.all(waits);
    await expect(bed.call('GET', '/devices')).resolves.toMatchObject({ status: 200 });
  });

  it('ok: a bulk request counts each of its identities', async () => {
    const { bed } = await open();
    const body = Array.from({ length: 50 }, (_, index) => ({ id: `d${index}`, importMode: 'create' }));
    await expect(bed.call('POST', '/devices', { body })).resolves.toMatchObject({ status: 200 });
    await expect(bed.call('GET', '/devices')).resolves.toMatchObject({ status: 429, headers: { 'retry-after': '28' } });
  });

  it('ok: queries have a limit of their own', async () => {
    const { bed } = await open();
    const query = () => bed.call('POST', '/devices/query', { body: { query: 'SELECT * FROM devices' } });
    await expect(query()).resolves.toMatchObject({ status: 200 });
    await expect(query()).resolves.toMatchObject({ status: 429 });
    await expect(bed.call('GET', '/devices')).resolves.toMatchObject({ status: 200 });
  });

  it('fail: too many new connections are told that the service is unavailable', async () => {
    const { bed } = await open();
    for (let count = 0; count < 201; count += 1) void bed.hub.quotas.pass('connections');
    await expect(RawDevice.register(bed, 'd1').then((device) => device.connect())).rejects.toThrow('refused with 3');
    expect(bed.log.at(-1)).toContain('Throttled, connections: 1 x S1 takes 100 a second');
  });

  it('ok: a device learns of it by its twin answers and by late acknowledgements', async () => {
    const { bed, clock } = await open();
    const client = await (await RawDevice.register(bed, 'd1')).connect();
    await client.subscribe('$iothub/twin/res/#');
    void bed.hub.quotas.pass('telemetry', 100);
    client.send({
      cmd: 'publish',
      topic: 'devices/d1/messages/events/',
      payload: 'x',
      qos: 1,
      dup: false,
      retain: false,
      messageId: 9,
    });
    await client.ping();
    expect([client.unread, bed.hub.telemetry.list()]).toEqual([[], []]);
    clock.advance(1000);
    await expect(client.next('puback')).resolves.toMatchObject({ messageId: 9 });
    expect(bed.hub.telemetry.list()).toHaveLength(1);
    void bed.hub.quotas.pass('twinReads', 300);
    await client.publish('$iothub/twin/GET/?$rid=1', '');
    const answer = await client.next('publish');
    expect(answer.topic).toBe('$iothub/twin/res/429/?$rid=1');
    expect(JSON.parse(answer.payload.toString())).toMatchObject({ errorCode: 429001 });
    client.destroy();
  });
});

describe('messages a day', () => {
  it('fail: the device is cut and the back end gets 403 until midnight UTC', async () => {
    const { bed, clock } = await open({ sku: 'F1', units: 1 });
    const device = await RawDevice.register(bed, 'd1');
    const first = await device.connect();
    await first.publish('devices/d1/messages/events/', Buffer.alloc(1024));
    expect(bed.hub.quotas.messagesToday).toBe(2);
    bed.hub.quotas.useMessages(7998);
    device.send('devices/d1/messages/events/', 'x');
    await first.ended;
    expect(bed.log.at(-1)).toContain('the 8000 messages that 1 x F1 has a day are used up until midnight UTC');
    const body = { body: 'x' };
    await expect(bed.call('POST', '/devices/d1/messages/devicebound', { body })).resolves.toMatchObject({
      status: 403,
      headers: { 'iothub-errorcode': 'IotHubQuotaExceeded' },
    });
    clock.advance(86_400_000);
    expect(bed.hub.quotas.messagesToday).toBe(0);
    const second = await device.connect();
    await second.publish('devices/d1/messages/events/', 'x');
    second.destroy();
  });

  it('ok: off, nothing counts', async () => {
    bed = await openHub();
    bed.hub.quotas.useMessages();
    for (let count = 0; count < 300; count += 1) expect(bed.hub.quotas.pass('queries')).toBeUndefined();
    expect(() => bed?.hub.quotas.countMessage(1)).not.toThrow();
  });
});
