import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RecordLog } from '../src/hub/record-log.ts';
import { RawDevice } from './hub-raw-device.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

interface Note {
  readonly sequenceNumber: number;
  readonly text: string;
}

function openLog(clock = new FakeClock(), bounds = { mostRecords: 3, mostBytes: 100 }): RecordLog<Note> {
  return new RecordLog<Note>({ ...bounds, sizeOf: ({ text }) => text.length, startTimer: clock.startTimer });
}

function append(log: RecordLog<Note>, ...texts: string[]): void {
  for (const text of texts) log.append((sequenceNumber) => ({ sequenceNumber, text }));
}

function textsOf(records: readonly Note[]): string {
  return records.map(({ text }) => text).join(' ');
}

describe('record log', () => {
  it('ok: numbers from 1 on, lists what comes after a number', () => {
    const log = openLog();
    expect([log.list(), log.lastSequenceNumber]).toEqual([[], 0]);
    append(log, 'a', 'b', 'c');
    expect(log.list()).toMatchObject([{ sequenceNumber: 1 }, { sequenceNumber: 2 }, { sequenceNumber: 3 }]);
    expect([textsOf(log.list(1)), textsOf(log.list(3)), textsOf(log.list(99))]).toEqual(['b c', '', '']);
  });

  it('ok: the oldest go when there are too many or they are too large', () => {
    const log = openLog();
    append(log, 'a', 'b', 'c', 'd', 'e');
    expect([textsOf(log.list()), textsOf(log.list(1)), textsOf(log.list(4))]).toEqual(['c d e', 'c d e', 'e']);
    append(log, 'x'.repeat(98));
    expect(log.list().map(({ sequenceNumber }) => sequenceNumber)).toEqual([4, 5, 6]);
    append(log, 'yy');
    expect(log.list().map(({ sequenceNumber }) => sequenceNumber)).toEqual([6, 7]);
    append(log, 'z'.repeat(101));
    expect(log.list()).toEqual([]);
    append(log, 'last');
    expect([textsOf(log.list()), log.lastSequenceNumber]).toEqual(['last', 9]);
  });

  it('ok: waits for what fits, kept or to come', async () => {
    const clock = new FakeClock();
    const log = openLog(clock);
    append(log, 'a', 'b');
    await expect(log.waitFor(({ text }) => text === 'b', { timeoutMs: 0 })).resolves.toMatchObject({
      sequenceNumber: 2,
    });
    const coming = log.waitFor(({ text }) => text === 'b', { timeoutMs: 1000, after: 2 });
    append(log, 'c', 'b');
    await expect(coming).resolves.toMatchObject({ sequenceNumber: 4 });
    const never = log.waitFor(() => false, { timeoutMs: 1000 });
    clock.advance(1000);
    await expect(never).resolves.toBeUndefined();
    expect(clock.delaysMs).toEqual([]);
  });

  it('ok: subscribers get each new record until they leave', () => {
    const log = openLog();
    const seen: string[] = [];
    append(log, 'before');
    const leave = log.subscribe(({ text }) => seen.push(text));
    append(log, 'a', 'b');
    leave();
    append(log, 'c');
    expect(seen).toEqual(['a', 'b']);
  });

  it('ok: iteration gives kept records and new ones, and ends with the log', async () => {
    const log = openLog();
    append(log, 'a', 'b');
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { text } of log) seen.push(text);
    })();
    await new Promise(setImmediate);
    append(log, 'c');
    await new Promise(setImmediate);
    expect(seen).toEqual(['a', 'b', 'c']);
    const waiting = log.waitFor(() => false, { timeoutMs: 1000 });
    log.close();
    await Promise.all([reading, waiting]);
  });

  it('ok: a reader that leaves while it waits leaves nothing behind', async () => {
    const clock = new FakeClock();
    const log = openLog(clock);
    const records = log.follow(0);
    const next = records.next();
    expect(clock.delaysMs).toHaveLength(1);
    await records.return();
    await expect(next).resolves.toEqual({ done: true, value: undefined });
    expect(clock.delaysMs).toEqual([]);
  });
});

describe('telemetry over HTTP', () => {
  let clock: FakeClock;
  let bed: HubTestBed;

  beforeEach(async () => {
    clock = new FakeClock();
    bed = await openHub({ now: clock.now, startTimer: clock.startTimer });
  });

  afterEach(() => bed.close());

  it('ok: by device and place', async () => {
    const devices = [await RawDevice.register(bed, 'd1'), await RawDevice.register(bed, 'd2')];
    for (const device of devices) {
      const client = await device.connect();
      await client.publish(
        `devices/${device.deviceId}/messages/events/a=1&b&%24.ct=text%2Fplain`,
        `from ${device.deviceId}`,
      );
    }
    const { body } = await bed.call('GET', '/emulator/telemetry?deviceId=d2');
    expect(body).toEqual({
      records: [
        {
          sequenceNumber: 2,
          deviceId: 'd2',
          enqueuedTimeUtc: '2026-01-01T00:00:00.0000000Z',
          systemProperties: {
            'iothub-connection-device-id': 'd2',
            'iothub-connection-auth-method':
              '{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}',
            'iothub-connection-auth-generation-id': bed.hub.registry.require('d2').identity.generationId,
            'iothub-enqueuedtime': Date.UTC(2026, 0, 1),
            'iothub-message-source': 'Telemetry',
            'content-type': 'text/plain',
          },
          applicationProperties: { a: '1', b: null },
          bodyBase64: Buffer.from('from d2').toString('base64'),
        },
      ],
      lastSequenceNumber: 2,
    });
    await expect(bed.call('GET', '/emulator/telemetry?after=1')).resolves.toMatchObject({
      body: { records: [{ sequenceNumber: 2 }] },
    });
    await expect(bed.call('GET', '/emulator/telemetry?after=2')).resolves.toMatchObject({ body: { records: [] } });
    for (const device of devices) await device.cut();
  });

  it('ok: waits for the first that comes', async () => {
    const device = await RawDevice.register(bed, 'd1');
    const client = await device.connect();
    const answered = bed.call('GET', '/emulator/telemetry?deviceId=d1&waitMs=60000');
    while (!clock.delaysMs.includes(60_000)) await new Promise(setImmediate);
    await client.publish('devices/d1/messages/events/', 'x');
    await expect(answered).resolves.toMatchObject({ body: { records: [{ sequenceNumber: 1 }] } });
    await device.cut();
  });

  it.each(['after=-1', 'after=x', 'waitMs=60001', 'waitMs=1.5'])('fail: %s', async (query) => {
    await expect(bed.call('GET', `/emulator/telemetry?${query}`)).resolves.toMatchObject({
      status: 400,
      headers: { 'iothub-errorcode': 'ArgumentInvalid' },
    });
  });
});
