import { statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { OutboxOptions } from '../src/index.ts';
import { openStateStore } from '../src/state/state-store.ts';
import { Outbox } from '../src/telemetry/outbox.ts';
import { nextTurn, OutboxWorld } from './outbox-world.ts';

let world: OutboxWorld;

const open = (options: OutboxOptions = {}): OutboxWorld => {
  world = new OutboxWorld(options);
  return world;
};

afterEach(() => world.remove());

/** A message takes 360 bytes of the limit: as the hub counts it, and 100 for its row. */
const room = 360;
const body = 'x'.repeat(room - 100 - 1 - 'application/json'.length - 'utf-8'.length - 48);

describe('an outbox', () => {
  it('gives messages back in the order in which they came, over closing and opening', async () => {
    const { outbox } = open();
    await Promise.all(['a', 'b'].map((id) => world.add(id, { properties: { zone: 'ü' }, contentType: 'text/plain' })));
    await world.add('c', { body: Buffer.from([0, 255]), createdAt: new Date('2026-04-01T00:00:00.000Z') });
    expect([outbox.count, world.waiting()]).toEqual([3, ['a', 'b', 'c']]);
    world.reopen();
    world.outbox.startReading();
    const [first, , third] = world.read(3);
    expect(first).toMatchObject({
      messageId: 'a',
      properties: { zone: 'ü' },
      contentType: 'text/plain',
      createdAt: world.now.toISOString(),
    });
    expect(third).toMatchObject({ body: Buffer.from([0, 255]), createdAt: '2026-04-01T00:00:00.000Z' });
  });

  it('shares one transaction among all that is added in one turn', async () => {
    open();
    const logSize = (): number => statSync(join(world.folder, 'agent.db-wal')).size;
    const before = logSize();
    const order: string[] = [];
    const add = async (number: number): Promise<void> => {
      await world.add(String(number));
      order.push(String(number));
    };
    await Promise.all(Array.from({ length: 100 }, (_, number) => add(number)));
    // A transaction each would write at least a page each.
    expect((logSize() - before) / 4096).toBeLessThan(20);
    expect(order).toEqual(world.waiting());
  });

  it('forgets what is acknowledged, also where an older one is not, and repeats the others', async () => {
    const { outbox } = open();
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => world.add(id)));
    outbox.startReading();
    const [first, second, third] = world.read(3);
    for (const message of [first, third]) if (message) outbox.acknowledge(message);
    expect(outbox.count).toBe(2);
    expect(world.waiting()).toEqual(['b', 'd']);
    outbox.startReading();
    expect(world.read(9).map(({ messageId }) => messageId)).toEqual(['b', 'd']);
    if (second) outbox.acknowledge(second);
    await nextTurn();
    expect(world.waiting()).toEqual(['d']);
    world.reopen();
    expect(world.waiting()).toEqual(['d']);
  });

  it('ends with all it has done, also where another device keeps the folder open', async () => {
    open();
    const other = openStateStore(world.folder, 'thermostat-2');
    const others = new Outbox(other);
    await Promise.all([world.add('a'), world.add('b'), others.add({ body: {}, messageId: 'other' })]);
    world.outbox.startReading();
    for (const message of world.read(1)) world.outbox.acknowledge(message);
    void world.add('c');
    world.reopen();
    expect([world.outbox.count, world.waiting()]).toEqual([2, ['b', 'c']]);
    others.startReading();
    expect(others.next(9, 1e6).map(({ messageId }) => messageId)).toEqual(['other']);
    other.close();
  });
});

describe('an outbox that is full', () => {
  it('drops the oldest, tells which, and never what is in flight', async () => {
    open({ maxBytes: 3 * room });
    await Promise.all(['a', 'b', 'c'].map((id) => world.add(id, { body })));
    await world.add('d', { body });
    expect(world.waiting()).toEqual(['b', 'c', 'd']);
    world.outbox.startReading();
    world.read(2);
    await world.add('e', { body });
    expect(world.dropped()).toEqual([
      { reason: 'full', messageIds: ['a'] },
      { reason: 'full', messageIds: ['d'] },
    ]);
    world.read(9);
    await expect(world.add('f', { body })).rejects.toMatchObject({ code: 'ERR_AGENT_OUTBOX_FULL' });
    expect(world.waiting()).toEqual(['b', 'c', 'e']);
    expect(world.outbox.bytes).toBe(3 * room);
  });

  it('fail: takes nothing new where that is the rule, and goes on when there is room', async () => {
    open({ maxBytes: 2 * room, whenFull: 'drop-newest' });
    const [a] = await Promise.all(['a', 'b'].map((id) => world.add(id, { body })));
    await expect(world.add('c', { body })).rejects.toMatchObject({
      code: 'ERR_AGENT_OUTBOX_FULL',
      message: expect.stringMatching(/Message c .*2 messages wait with 720 bytes.*whenFull/),
    });
    world.outbox.startReading();
    world.read(1);
    if (a) world.outbox.acknowledge(a);
    await world.add('d', { body });
    expect([world.waiting(), world.dropped()]).toEqual([['b', 'd'], []]);
  });

  it('drops the oldest of the lowest priority, which may be the new one', async () => {
    open({ maxBytes: 4 * room, whenFull: 'drop-lowest-priority' });
    await world.add('A', { body, priority: 'high' });
    await Promise.all(['x', 'y'].map((id) => world.add(id, { body, priority: 'low' })));
    await world.add('m', { body });
    await Promise.all(['n', 'o'].map((id) => world.add(id, { body })));
    await expect(world.add('z', { body, priority: 'low' })).rejects.toMatchObject({ code: 'ERR_AGENT_OUTBOX_FULL' });
    await world.add('p', { body });
    world.reopen();
    await world.add('B', { body, priority: 'high' });
    expect(world.waiting()).toEqual(['A', 'o', 'p', 'B']);
    expect(world.dropped().map(({ messageIds }) => messageIds)).toEqual([['x', 'y'], ['m'], ['n']]);
  });

  it('fail: takes no message that is larger than itself, and drops none for it', async () => {
    open({ maxBytes: 2 * room });
    await world.add('a', { body });
    await expect(world.add('b', { body: body.repeat(9) })).rejects.toMatchObject({ code: 'ERR_AGENT_OUTBOX_FULL' });
    expect(world.waiting()).toEqual(['a']);
  });
});

describe('a message that waits too long', () => {
  const day = 86_400_000;

  it('is dropped when its turn comes, and while the device stays offline', async () => {
    open({ maxAgeMs: day });
    await Promise.all(['a', 'b'].map((id) => world.add(id)));
    world.now = new Date(world.now.getTime() + day / 2);
    await world.add('c');
    world.now = new Date(world.now.getTime() + day / 2 + 1);
    expect([world.waiting(), world.outbox.count]).toEqual([['c'], 1]);
    world.now = new Date(world.now.getTime() + day);
    await world.add('d');
    expect([world.waiting(), world.dropped()]).toEqual([
      ['d'],
      [
        { reason: 'age', messageIds: ['a', 'b'] },
        { reason: 'age', messageIds: ['c'] },
      ],
    ]);
  });

  it.each([
    ['from 1970', '1970-01-01T00:01:00.000Z', '2026-05-01T00:00:00.000Z'],
    ['three weeks ahead, as after a time without power', '2026-05-01T00:00:00.000Z', '2026-05-22T00:00:00.000Z'],
    ['years ahead by mistake', '2026-05-01T00:00:00.000Z', '2038-01-19T03:14:08.000Z'],
    ['back', '2026-05-22T00:00:00.000Z', '2026-05-01T00:00:00.000Z'],
  ])('is no older when the clock is set %s', async (_, before, after) => {
    open({ maxAgeMs: day });
    world.setClock(new Date(before));
    await world.add('a');
    world.setClock(new Date(after));
    await world.add('b');
    expect([world.waiting(), world.dropped()]).toEqual([['a', 'b'], []]);
    world.now = new Date(world.now.getTime() + day + 1);
    expect([world.waiting(), world.outbox.count]).toEqual([[], 0]);
  });

  it('is told by the clock again when nothing older waits', async () => {
    open({ maxAgeMs: day });
    await world.add('a');
    world.setClock(new Date('2026-05-22T00:00:00.000Z'));
    const [a] = world.waiting();
    world.outbox.startReading();
    for (const message of world.read(1)) world.outbox.acknowledge(message);
    const { addedMs } = await world.add('b');
    expect([a, addedMs]).toEqual(['a', world.now.getTime()]);
  });

  it('has waited for as long as the outbox was open, whatever the clock says after a restart', async () => {
    open({ maxAgeMs: day });
    await world.add('a');
    world.now = new Date(world.now.getTime() + (day * 3) / 4);
    await world.add('b');
    await nextTurn();
    world.store.close();
    world.setClock(new Date('2038-01-19T03:14:08.000Z'));
    world.open();
    expect(world.waiting()).toEqual(['a', 'b']);
    world.now = new Date(world.now.getTime() + day / 2);
    expect(world.waiting()).toEqual(['b']);
  });
});

describe('what an outbox takes', () => {
  it('compresses on request, and above a size', async () => {
    open({ compressAboveBytes: 1000 });
    const long = { text: 'y'.repeat(2000) };
    await world.add('asked', { body: { a: 1 }, compress: true });
    await world.add('long', { body: long });
    await world.add('not', { body: long, compress: false });
    await world.add('short');
    await world.add('already', { body: Buffer.alloc(2000), contentEncoding: 'deflate' });
    world.outbox.startReading();
    const messages = world.read(9);
    expect(messages.map(({ contentEncoding }) => contentEncoding)).toEqual([
      'gzip',
      'gzip',
      'utf-8',
      'utf-8',
      'deflate',
    ]);
    expect(JSON.parse(gunzipSync(messages[1]?.body ?? '').toString())).toEqual(long);
    expect(messages[1]?.size).toBeLessThan(200);
  });

  it('fail: a message above 256 KiB, counted with its properties as the hub does', async () => {
    open();
    // ID 1, content type 16, encoding 5, creation time with its name 48, property 4 + 100.
    const properties = { name: 'v'.repeat(100) };
    const fits = 256 * 1024 - 1 - 16 - 5 - 48 - 104;
    expect((await world.add('a', { body: 'x'.repeat(fits), properties })).size).toBe(256 * 1024);
    await expect(world.add('b', { body: 'x'.repeat(fits + 1), properties })).rejects.toMatchObject({
      code: 'ERR_AGENT_MESSAGE_TOO_LARGE',
      message: expect.stringMatching(/Message b has 262145 bytes .*properties 174.*262144/),
    });
  });

  it.each([
    ['an ID that the hub would not take', { messageId: 'a b' }, /Message a b .*1 to 128 characters/],
    ['an ID that is too long', { messageId: 'a'.repeat(129) }, /1 to 128 characters/],
    ['a property that looks like a system property', { properties: { '$.mid': 'x' } }, /taken for a system property/],
    ['a property without a name', { properties: { '': 'x' } }, /has no name/],
    ['a property that is the agent’s', { properties: { 'iothub-creation-time-utc': 'x' } }, /as createdAt/],
    ['what is compressed already', { contentEncoding: 'gzip', compress: true }, /content encoding is gzip already/],
  ])('fail: %s', async (_, more, message) => {
    open();
    await expect(world.add('m', more)).rejects.toMatchObject({
      code: 'ERR_AGENT_MESSAGE_INVALID',
      message: expect.stringMatching(message),
    });
    await expect(world.add('m')).resolves.toMatchObject({ messageId: 'm' });
  });

  it('fail: properties above the length of an MQTT topic, percent-encoded', async () => {
    open();
    await world.add('ascii', { properties: { a: 'x'.repeat(30_000) } });
    await expect(world.add('encoded', { properties: { a: 'ü'.repeat(11_000) } })).rejects.toMatchObject({
      code: 'ERR_AGENT_MESSAGE_TOO_LARGE',
      message: expect.stringMatching(/topic of 66\d{3} bytes; 65535 is the most/),
    });
  });

  it.each([
    ['a property that is no string', { properties: { a: 1 } }, /Property a of message m must be a string/],
    ['no body', { body: undefined }, /body of message m must be text, bytes/],
    ['a time that is none', { createdAt: new Date('soon') }, /createdAt of message m must be a valid Date/],
    ['a priority that nobody knows', { priority: 'urgent' }, /priority of message m must be low, normal or high/],
  ])('fail: %s', async (_, more, message) => {
    open();
    await expect(world.add('m', more as object)).rejects.toThrow(TypeError);
    await expect(world.add('m', more as object)).rejects.toThrow(message);
  });
});
