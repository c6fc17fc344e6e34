import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Inbox, type InboxEvent } from '../src/messages/inbox.ts';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';
import { hastyClock, turns } from './model-hub.ts';
import { ModelQueue } from './model-queue.ts';
import { MortalStore } from './mortal-store.ts';

let folder: string;
let store: StateStore;
let device = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inbox-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      text: fc.constantFrom('x', 'y'),
      hasId: fc.boolean(),
      failures: fc.nat({ max: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'connect' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'disconnect' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'lose-acknowledgement' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('kill' as const),
      writes: fc.nat({ max: 5 }),
      reachesDisk: fc.boolean(),
    }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
const actions = fc.array(fc.tuple(action, fc.nat({ max: 4 })), { maxLength: 40, size: 'max' });

/** Without an ID, equal messages can only be counted together. */
const keyOf = ({ messageId }: { messageId: string | undefined }, text: string): string => messageId ?? `no ID, ${text}`;

/** A device that lives through the actions, with what its application did. */
class Life {
  readonly queue = new ModelQueue();
  readonly events: InboxEvent[] = [];
  readonly sends = new Map<string, number>();
  readonly effects: { readonly key: string; readonly isRepeated: boolean }[] = [];
  /** Effects whose process ended before it could remember them. */
  cut = 0;
  readonly #failures = new Map<string, number>();
  #process = new MortalStore(store);
  #inbox = this.#start();
  #lastId = 0;

  async live(life: readonly (readonly [Action, number])[]): Promise<void> {
    for (const [next, pause] of life) {
      try {
        this.#take(next);
      } catch {
        // The process was killed while a message came in.
        this.#process.die();
      }
      await turns(pause);
      if (this.#process.isDead) this.#restart();
    }
    this.#process.dieAtWrite(Infinity, false);
    this.queue.losesNextAcknowledgement = false;
    for (let connection = 0; connection < 4; connection += 1) {
      this.#connect();
      await turns(100);
    }
  }

  #take(next: Action): void {
    switch (next.kind) {
      case 'send':
        this.#send(next);
        return;
      case 'connect':
        this.#connect();
        return;
      case 'disconnect':
        this.#disconnect();
        return;
      case 'lose-acknowledgement':
        this.queue.losesNextAcknowledgement = true;
        return;
      case 'restart':
        this.#restart();
        return;
      case 'kill':
        this.#process.dieAtWrite(next.writes, next.reachesDisk);
    }
  }

  #send({ text, hasId, failures }: Extract<Action, { kind: 'send' }>): void {
    this.#lastId += 1;
    const messageId = hasId ? `m${this.#lastId}` : undefined;
    const key = keyOf({ messageId }, text);
    this.sends.set(key, (this.sends.get(key) ?? 0) + 1);
    if (hasId) this.#failures.set(key, failures);
    this.queue.send({ messageId, text });
  }

  #connect(): void {
    this.#disconnect();
    // The hub may be quicker than the agent.
    this.queue.connect(this.#inbox);
    this.#inbox.connected();
  }

  #disconnect(): void {
    this.queue.disconnect();
    this.#inbox.disconnected();
  }

  #restart(): void {
    this.queue.disconnect();
    this.#process.die();
    this.#inbox.stop();
    this.#process = new MortalStore(store);
    this.#inbox = this.#start();
  }

  #start(): Inbox {
    const process = this.#process;
    return new Inbox({
      store: process,
      clock: hastyClock,
      onEvent: (event) => {
        this.events.push(event);
        if (event.type === 'message-completed') this.cut -= 1;
      },
      handle: async (message, { isRepeated }) => {
        await turns(1);
        if (process.isDead) throw new Error('killed');
        const key = keyOf(message, message.body.toString());
        const failures = this.#failures.get(key) ?? 0;
        this.#failures.set(key, failures - 1);
        if (failures > 0) throw new Error('not yet');
        this.effects.push({ key, isRepeated });
        this.cut += 1;
      },
    });
  }
}

describe('the inbox with random faults', () => {
  it('hands over every message once, acknowledges in order, and repeats only what a kill has cut, saying so', async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (life) => {
        device += 1;
        store = openStateStore(folder, `device-${device}`);
        try {
          const lived = new Life();
          await lived.live(life);
          check(lived);
        } finally {
          store.close();
        }
      }),
      { numRuns: 100 },
    );
  });
});

function check({ queue, sends, effects, cut }: Life): void {
  expect(queue.queue).toEqual([]);
  expect(queue.outOfOrder).toBe(0);
  let more = 0;
  for (const [key, count] of sends) {
    const done = effects.filter((effect) => effect.key === key);
    expect(done.length).toBeGreaterThanOrEqual(count);
    expect(done.filter(({ isRepeated }) => !isRepeated).length).toBeLessThanOrEqual(count);
    more += done.length - count;
  }
  expect(more).toBeLessThanOrEqual(cut);
}
