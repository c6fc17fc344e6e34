import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Clock, DeviceAgentError, OutboxOptions } from '../src/index.ts';
import { TelemetrySender, type TelemetrySession } from '../src/telemetry/telemetry-sender.ts';
import type { StoredMessage } from '../src/telemetry/telemetry-message.ts';
import { nextTurn, OutboxWorld } from './outbox-world.ts';

/** A hub's side: it keeps what comes, and acknowledges when it is told to. */
class Session implements TelemetrySession {
  readonly sent: StoredMessage[] = [];
  readonly abandoned: (string | DeviceAgentError)[] = [];
  readonly #answers: { resolve: () => void; reject: (error: Error) => void }[] = [];

  send(message: StoredMessage): Promise<void> {
    this.sent.push(message);
    return new Promise((resolve, reject) => {
      this.#answers.push({ resolve, reject });
    });
  }

  abandon(reason: string | DeviceAgentError): void {
    this.abandoned.push(reason);
  }

  get ids(): string[] {
    return this.sent.map(({ messageId }) => messageId);
  }

  async acknowledge(...indexes: number[]): Promise<void> {
    for (const index of indexes) this.#answers[index]?.resolve();
    await nextTurn();
  }

  async acknowledgeAll(): Promise<void> {
    for (let index = 0; index < this.sent.length; index += 1) await this.acknowledge(index);
  }

  async refuse(index: number): Promise<void> {
    this.#answers[index]?.reject(new Error('no answer'));
    await nextTurn();
  }
}

/** Time that passes when the test says so. */
class ManualClock implements Clock {
  readonly #world: OutboxWorld;
  #delays: { readonly atMs: number; readonly resolve: () => void }[] = [];

  constructor(world: OutboxWorld) {
    this.#world = world;
  }

  now(): Date {
    return this.#world.now;
  }

  delay(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const delay = { atMs: this.now().getTime() + milliseconds, resolve };
      this.#delays.push(delay);
      signal.addEventListener('abort', () => {
        this.#delays = this.#delays.filter((other) => other !== delay);
        reject(signal.reason as Error);
      });
    });
  }

  async pass(milliseconds: number): Promise<void> {
    this.#world.now = new Date(this.now().getTime() + milliseconds);
    for (const { atMs, resolve } of this.#delays) if (atMs <= this.now().getTime()) resolve();
    await nextTurn();
  }
}

let world: OutboxWorld;
let sender: TelemetrySender;
let clock: ManualClock;

const open = (options: OutboxOptions = {}): void => {
  world = new OutboxWorld(options);
  clock = new ManualClock(world);
  sender = new TelemetrySender(world.outbox, { ...options, clock, onEvent: (event) => world.events.push(event) });
};

const connect = (): Session => {
  const session = new Session();
  sender.connected(session);
  return session;
};

const addAll = async (ids: readonly string[]): Promise<void> => {
  await Promise.all(ids.map((id) => world.add(id)));
};

const numbers = (count: number, start = 0): string[] =>
  Array.from({ length: count }, (_, index) => String(start + index));

const acknowledged = (): string[] =>
  world.events.flatMap((event) => (event.type === 'telemetry-acknowledged' ? [event.messageId] : []));

afterEach(() => {
  sender.end();
  world.remove();
});

describe('the sender', () => {
  it('sends what waited and what comes, in order, and tells what is acknowledged', async () => {
    open();
    await addAll(['a', 'b']);
    const session = connect();
    await addAll(['c']);
    expect(session.ids).toEqual(['a', 'b', 'c']);
    await session.acknowledgeAll();
    expect([acknowledged(), world.outbox.count]).toEqual([['a', 'b', 'c'], 0]);
    await addAll(['d']);
    expect(session.ids).toEqual(['a', 'b', 'c', 'd']);
  });

  it('has at most 256 messages on the wire, and refills in pages', async () => {
    open();
    await addAll(numbers(1000));
    const session = connect();
    expect(session.ids).toEqual(numbers(256));
    for (let index = 0; index < 127; index += 1) await session.acknowledge(index);
    expect(session.sent).toHaveLength(256);
    await session.acknowledge(127);
    expect(session.sent).toHaveLength(384);
    for (let index = 128; index < 1000; index += 1) await session.acknowledge(index);
    expect(session.ids).toEqual(numbers(1000));
    expect([acknowledged(), world.outbox.count]).toEqual([numbers(1000), 0]);
  });

  it('has at most 1 MiB on the wire', async () => {
    open();
    await Promise.all(numbers(9).map((id) => world.add(id, { body: 'x'.repeat(250_000) })));
    const session = connect();
    expect(session.ids).toEqual(numbers(4));
    await session.acknowledge(0, 1);
    expect(session.ids).toEqual(numbers(6));
  });

  it('goes on with the next session from the oldest that was not acknowledged', async () => {
    open();
    await addAll(['a', 'b', 'c', 'd']);
    const first = connect();
    await first.acknowledge(0, 2);
    sender.disconnected();
    // The hub's answer comes too late to be trusted.
    await first.acknowledge(1);
    await addAll(['e']);
    const second = connect();
    expect(second.ids).toEqual(['b', 'd', 'e']);
    expect(second.sent[0]).toEqual(first.sent[1]);
    await second.acknowledgeAll();
    expect([acknowledged(), world.outbox.count]).toEqual([['a', 'c', 'b', 'd', 'e'], 0]);
  });

  it('abandons a session that stops acknowledging, once', async () => {
    open();
    await addAll(['a']);
    const session = connect();
    await session.refuse(0);
    expect(session.abandoned).toEqual(['a telemetry message was not acknowledged']);
    sender.disconnected();
    await session.refuse(0);
    expect(session.abandoned).toHaveLength(1);
    expect(connect().ids).toEqual(['a']);
  });

  it('abandons a session while the outbox cannot be read', async () => {
    open();
    await addAll(['a']);
    world.store.database.prepare('ALTER TABLE outbox RENAME TO gone').run();
    const session = connect();
    expect(session.abandoned).toEqual([
      expect.objectContaining({ code: 'ERR_AGENT_STATE', message: expect.stringMatching(/no such table: outbox/) }),
    ]);
    world.store.database.prepare('ALTER TABLE gone RENAME TO outbox').run();
    expect(connect().ids).toEqual(['a']);
  });

  it('tells what is kept when the connection is lost and when it ends', async () => {
    open();
    await addAll(['a', 'b']);
    const session = connect();
    await session.acknowledge(0);
    sender.disconnected();
    sender.disconnected();
    sender.end();
    const kept = { type: 'telemetry-kept', count: 1, bytes: world.outbox.bytes };
    expect(world.events.filter(({ type }) => type === 'telemetry-kept')).toEqual([kept, kept]);
  });

  it('resolves empty() when all is acknowledged, and when it ends', async () => {
    open();
    await sender.empty();
    await addAll(['a']);
    const session = connect();
    const emptied = sender.empty();
    await session.acknowledge(0);
    await emptied;
    await addAll(['b']);
    const ended = sender.empty();
    sender.end();
    await ended;
  });
});

describe('batches', () => {
  const bodies = (message: StoredMessage | undefined): unknown => JSON.parse(message?.body.toString() ?? '');

  it('join what waits, each item with its ID and its time', async () => {
    open({ batch: { maxMessages: 3 } });
    await world.add('a', { body: { t: 1 }, properties: { zone: '1' } });
    const time = world.now.toISOString();
    await clock.pass(5);
    await Promise.all(['b', 'c', 'd'].map((id) => world.add(id, { body: [id], properties: { zone: '1' } })));
    const session = connect();
    const [batch] = session.sent;
    expect(bodies(batch)).toEqual([
      { id: 'a', time, body: { t: 1 } },
      { id: 'b', time: world.now.toISOString(), body: ['b'] },
      { id: 'c', time: world.now.toISOString(), body: ['c'] },
    ]);
    expect(batch).toMatchObject({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      properties: { zone: '1', 'batch-count': '3' },
      createdAt: time,
    });
    await session.acknowledge(0);
    expect([acknowledged(), world.outbox.count, session.sent.length]).toEqual([['a', 'b', 'c'], 1, 1]);
  });

  it('wait for others, and not longer than they may', async () => {
    open({ batch: { delayMs: 200 } });
    const session = connect();
    await addAll(['a']);
    await clock.pass(199);
    await addAll(['b']);
    expect(session.sent).toEqual([]);
    await clock.pass(1);
    expect(session.sent.map(bodies)).toMatchObject([[{ id: 'a' }, { id: 'b' }]]);
    await addAll(['c']);
    await clock.pass(199);
    expect(session.sent).toHaveLength(1);
    await clock.pass(1);
    expect(session.sent).toHaveLength(2);
  });

  it('wait for nobody while somebody waits for an empty outbox', async () => {
    open({ batch: {} });
    const session = connect();
    await addAll(['a', 'b']);
    const emptied = sender.empty();
    expect(session.sent.map(bodies)).toMatchObject([[{ id: 'a' }, { id: 'b' }]]);
    await addAll(['c']);
    expect(session.sent).toHaveLength(2);
    await session.acknowledgeAll();
    await emptied;
  });

  it('keep the order around what goes by itself', async () => {
    open({ batch: { maxBytes: 1000 } });
    await world.add('a');
    await world.add('binary', { body: Buffer.from([1]), contentType: 'application/octet-stream' });
    await world.add('no-json', { body: 'hello' });
    await world.add('b');
    await world.add('other', { properties: { zone: '2' } });
    await world.add('long', { body: { text: 'x'.repeat(1000) } });
    await world.add('c', { body: { text: 'x'.repeat(600) } });
    await world.add('d', { body: { text: 'x'.repeat(600) } });
    const session = connect();
    void sender.empty();
    const names = session.sent.map((message) =>
      message.properties['batch-count'] === undefined
        ? message.messageId
        : (bodies(message) as { id: string }[]).map(({ id }) => id),
    );
    expect(names).toEqual([['a'], 'binary', 'no-json', ['b'], ['other'], 'long', ['c'], ['d']]);
  });

  it('have the same ID when they are sent again, and another when they carry something else', async () => {
    open({ batch: { maxMessages: 3 } });
    await addAll(['a', 'b', 'c', 'd']);
    const first = connect();
    sender.disconnected();
    const second = connect();
    expect(second.ids).toEqual(first.ids);
    await second.acknowledge(0);
    void sender.empty();
    expect(new Set(second.ids).size).toBe(2);
  });

  it('are compressed as a whole', async () => {
    open({ batch: {}, compressAboveBytes: 500 });
    await addAll(numbers(50));
    const session = connect();
    void sender.empty();
    const [batch] = session.sent;
    expect(batch?.contentEncoding).toBe('gzip');
    expect(JSON.parse(gunzipSync(batch?.body ?? '').toString())).toHaveLength(50);
    expect(batch?.size).toBeLessThan(1000);
  });

  it('leave what goes by itself compressed as well', async () => {
    open({ batch: {}, compressAboveBytes: 500 });
    const text = 'x'.repeat(600);
    await world.add('text', { body: text, contentType: 'text/plain' });
    await world.add('encoded', { body: text, contentEncoding: 'deflate' });
    const { sent } = connect();
    expect(sent.map(({ contentEncoding }) => contentEncoding)).toEqual(['gzip', 'deflate']);
    expect(gunzipSync(sent[0]?.body ?? '').toString()).toBe(text);
    expect(sent[0]?.size).toBeLessThan(200);
  });

  it('stay below what a hub takes', async () => {
    open({ batch: { maxBytes: 1024 * 1024, maxMessages: 1000 } });
    await Promise.all(numbers(500).map((id) => world.add(id, { body: { text: 'x'.repeat(1000) } })));
    const session = connect();
    void sender.empty();
    expect(session.sent).toHaveLength(3);
    for (const { size } of session.sent) expect(size).toBeLessThanOrEqual(256 * 1024);
  });
});
