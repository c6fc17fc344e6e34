import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CloudToDeviceMessage, InboxEvent, MessageContext } from '../src/index.ts';
import { Inbox, type InboxOptions } from '../src/messages/inbox.ts';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';
import { ManualClock } from './manual-clock.ts';
import { turns } from './model-hub.ts';
import { ModelQueue } from './model-queue.ts';

let folder: string;
let store: StateStore;
let queue: ModelQueue;
let clock: ManualClock;
let events: InboxEvent[];
let calls: { readonly text: string; readonly message: CloudToDeviceMessage; readonly context: MessageContext }[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inbox-'));
  store = openStateStore(folder, 'thermostat-1');
  queue = new ModelQueue();
  clock = new ManualClock();
  events = [];
  calls = [];
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(handle: InboxOptions['handle'] = () => undefined, options: Partial<InboxOptions> = {}): Inbox {
  return new Inbox({
    store,
    clock,
    onEvent: (event) => events.push(event),
    ...options,
    handle: async (message, context) => {
      calls.push({ text: message.body.toString(), message, context });
      await handle(message, context);
    },
  });
}

async function connect(inbox: Inbox): Promise<void> {
  queue.disconnect();
  inbox.disconnected();
  queue.connect(inbox);
  inbox.connected();
  await turns(5);
}

const texts = (): string[] => calls.map(({ text }) => text);

describe('the inbox', () => {
  it('hands over one message at a time, in order, and acknowledges when the handler has returned', async () => {
    const order: string[] = [];
    const inbox = open(async ({ body }) => {
      order.push(`begin ${body.toString()}, ${queue.queue.length} at the hub`);
      await turns(2);
      order.push(`end ${body.toString()}`);
    });
    await connect(inbox);
    queue.send({ messageId: '1', text: 'a' });
    queue.send({ messageId: '2', text: 'b' });
    await turns(10);
    expect(order).toEqual(['begin a, 1 at the hub', 'end a', 'begin b, 1 at the hub', 'end b']);
    expect(queue.queue).toEqual([]);
    expect(events.map(({ type }) => type)).toEqual(['message-completed', 'message-completed']);
  });

  it('acknowledges a message that comes again after a restart, and does not hand it over', async () => {
    queue.losesNextAcknowledgement = true;
    queue.send({ messageId: '1', text: 'unlock' });
    await connect(open());
    expect(queue.queue).toHaveLength(1);
    store.close();
    store = openStateStore(folder, 'thermostat-1');
    await connect(open());
    expect(texts()).toEqual(['unlock']);
    expect(queue.queue).toEqual([]);
    expect(events.at(-1)).toEqual({ type: 'message-repeated', messageId: '1' });
  });

  it('takes the same ID with another body for another message, and equal messages without an ID for two', async () => {
    await connect(open());
    queue.send({ messageId: '1', text: 'a' });
    queue.send({ messageId: '1', text: 'b' });
    queue.send({ messageId: '1', text: 'a' });
    queue.send({ text: 'c' });
    queue.send({ text: 'c' });
    await turns(10);
    expect(texts()).toEqual(['a', 'b', 'c', 'c']);
    expect(queue.queue).toEqual([]);
  });

  it('waits with a message that the hub sends again while it is being handled, with or without an ID', async () => {
    let release: () => void = () => undefined;
    const inbox = open(() => new Promise<void>((resolve) => (release = resolve)));
    let acknowledged = 0;
    const arrival = { body: Buffer.from('slow'), packetId: 7, acknowledge: () => (acknowledged += 1) };
    for (const topic of ['devices/d/messages/devicebound/', 'devices/d/messages/devicebound/%24.mid=1']) {
      for (const isRedelivery of [false, true]) inbox.receive({ ...arrival, topic, isRedelivery });
      await turns(2);
      expect(acknowledged).toBe(0);
      release();
      await inbox.settled();
      expect(acknowledged).toBe(2);
      acknowledged = 0;
    }
    expect(texts()).toEqual(['slow', 'slow']);
  });

  it('hands a failed message over again after a growing wait, on the same connection, and holds no other back', async () => {
    const inbox = open(({ body }, { attempt }) => {
      if (body.toString() === 'stubborn' && attempt < 4) throw new Error('not yet');
    });
    await connect(inbox);
    queue.send({ messageId: '1', text: 'stubborn' });
    for (let id = 2; id <= 50; id += 1) queue.send({ messageId: `${id}`, text: 'easy' });
    await inbox.settled();
    expect([queue.queue.length, calls.length]).toEqual([50, 50]);
    for (const [waitMs, attempts] of [
      [999, 1],
      [1, 2],
      [1_999, 2],
      [1, 3],
      [3_999, 3],
    ] as const) {
      await clock.advance(waitMs);
      expect(texts().filter((text) => text === 'stubborn')).toHaveLength(attempts);
    }
    await clock.advance(1);
    expect([queue.queue, queue.outOfOrder]).toEqual([[], 0]);
    expect(calls.slice(50).map(({ text, context: { attempt, isRepeated } }) => [text, attempt, isRepeated])).toEqual([
      ['stubborn', 2, true],
      ['stubborn', 3, true],
      ['stubborn', 4, true],
    ]);
    expect(events.filter(({ type }) => type === 'handler-failed')).toMatchObject([
      { handler: 'onMessage', messageId: '1', attempt: 1 },
      { attempt: 2 },
      { attempt: 3 },
    ]);
  });

  it('gives a message up after the last attempt, within minutes, and says so; connections that come and go cost none', async () => {
    const fail = (): never => {
      throw new Error('never');
    };
    queue.send({ messageId: '1', text: 'poison' });
    const inbox = open(fail);
    for (let connection = 0; connection < 20; connection += 1) await connect(inbox);
    expect(texts()).toEqual(['poison']);
    await clock.advance((1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60) * 1_000 - 1);
    expect(calls).toHaveLength(9);
    await clock.advance(1);
    expect([calls.length, queue.queue]).toEqual([10, []]);
    expect(events.at(-1)).toEqual({ type: 'message-given-up', messageId: '1', attempts: 10 });
    await clock.advance(3_600_000);
    expect(calls).toHaveLength(10);
  });

  it('tries again by itself where the result could not be kept', async () => {
    const inbox = open();
    await connect(inbox);
    const put = store.transaction.bind(store);
    let writes = 0;
    Object.assign(store, {
      transaction: <T>(work: () => T): T => {
        writes += 1;
        // Arrival and attempt are kept; neither the result nor that it failed is.
        if (writes === 3) throw new Error('disk full');
        return put(work);
      },
    });
    queue.send({ messageId: '1', text: 'a' });
    await inbox.settled();
    expect(queue.queue).toHaveLength(1);
    await clock.advance(1_000);
    expect([queue.queue, texts()]).toEqual([[], ['a', 'a']]);
    expect(calls.at(-1)?.context.isRepeated).toBe(true);
  });

  it('fail: a handler that takes too long loses its turn, and its signal fires', async () => {
    let signal: AbortSignal | undefined;
    const inbox = open(
      ({ body }, context) => {
        if (body.toString() !== 'endless') return;
        ({ signal } = context);
        return new Promise<void>(() => undefined);
      },
      { timeoutMs: 5_000 },
    );
    await connect(inbox);
    queue.send({ messageId: '1', text: 'endless' });
    queue.send({ messageId: '2', text: 'next' });
    await turns(5);
    expect(texts()).toEqual(['endless']);
    await clock.advance(5_000);
    await turns(5);
    expect(texts()).toEqual(['endless', 'next']);
    const error = {
      code: 'ERR_AGENT_HANDLER_TIMEOUT',
      message: expect.stringMatching(/message 1 took longer than 5 s/),
    };
    expect(signal?.reason).toMatchObject(error);
    expect(events[0]).toMatchObject({ type: 'handler-failed', error });
  });

  it('stops: the signal fires, nothing more is handed over, and what was not handled comes after the next start', async () => {
    let signal: AbortSignal | undefined;
    const first = open((_, context) => {
      ({ signal } = context);
      return new Promise<void>(() => undefined);
    });
    await connect(first);
    queue.send({ messageId: '1', text: 'a' });
    queue.send({ messageId: '2', text: 'b' });
    await turns(5);
    first.stop();
    await first.settled();
    expect(signal?.reason).toMatchObject({ code: 'ERR_AGENT_STOPPED' });
    expect(events).toEqual([]);
    // The hub has lost them meanwhile: they are on disk.
    queue.queue.length = 0;
    await connect(open());
    expect(calls.map(({ text, context: { isRepeated } }) => [text, isRepeated])).toEqual([
      ['a', false],
      ['a', true],
      ['b', false],
    ]);
  });

  it('reads what the sender has set', async () => {
    const inbox = open();
    inbox.receive({
      topic:
        'devices/d/messages/devicebound/%24.mid=m%201&%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevicebound&%24.cid=c&%24.ct=text%2Fplain&%24.ce=utf-8&a=b%3Dc=d&__proto__=x&empty=&bare&bad=%zz',
      body: Buffer.from('x'),
      packetId: 1,
      isRedelivery: false,
      acknowledge: () => undefined,
    });
    await inbox.settled();
    expect(calls[0]?.message).toMatchObject({
      messageId: 'm 1',
      correlationId: 'c',
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
    });
    expect(Object.entries(calls[0]?.message.properties ?? {})).toEqual([
      ['a', 'b=c=d'],
      ['__proto__', 'x'],
      ['empty', ''],
      ['bare', ''],
      ['bad', '%zz'],
    ]);
  });

  it('remembers what a hub can still send again, and no more', async () => {
    const inbox = open();
    await connect(inbox);
    const send = async (from: number, count: number): Promise<void> => {
      for (let id = from; id < from + count; id += 1) queue.send({ messageId: `${id}`, text: 'x' });
      await inbox.settled();
    };
    const remembered = (): number =>
      (store.database.prepare('SELECT count(*) AS n FROM inbox WHERE device = ?').get(store.device) as { n: number }).n;
    await send(0, 1_050);
    expect(remembered()).toBe(1_000);
    await clock.advance(4 * 24 * 3_600_000);
    await send(2_000, 1);
    expect(remembered()).toBe(101 - 1);
    // However wrong the clock: what a full queue holds is still known.
    for (let id = 1_049; id > 1_000; id -= 1) queue.send({ messageId: `${id}`, text: 'x' });
    await inbox.settled();
    expect(calls).toHaveLength(1_051);
    expect(queue.queue).toEqual([]);
  });

  it('fail: a message that can not be kept stays with the hub, and so does the acknowledgement of those after it', async () => {
    await connect(open());
    const other = openStateStore(join(folder, 'other'), 'thermostat-1');
    other.close();
    const broken = new Inbox({ store: other, clock, handle: () => undefined, onEvent: (event) => events.push(event) });
    queue.disconnect();
    queue.connect(broken);
    expect(() => queue.send({ messageId: '1', text: 'a' })).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_STATE' }),
    );
    expect(queue.queue).toHaveLength(1);
    broken.connected();
    await broken.settled();
    expect(events).toMatchObject([{ type: 'inbox-failed', error: { code: 'ERR_AGENT_STATE' } }]);
  });
});
