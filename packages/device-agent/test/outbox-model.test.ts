import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { OutboxOptions, TelemetryPriority } from '../src/index.ts';
import type { StoredMessage } from '../src/telemetry/telemetry-message.ts';
import type { Outbox } from '../src/telemetry/outbox.ts';
import { nextTurn, OutboxWorld } from './outbox-world.ts';

interface Item {
  readonly id: string;
  readonly priority: TelemetryPriority;
  readonly room: number;
  readonly addedMs: number;
}

/** The outbox as an array. */
interface Model {
  items: Item[];
  dropped: string[];
  /** How many of the items are in flight or acknowledged; they are the oldest. */
  handedOut: number;
  acknowledged: Set<string>;
  isReading: boolean;
  /** On the outbox's time line. */
  nowMs: number;
  ageCheckedMs: number;
  nextId: number;
}

interface Real {
  world: OutboxWorld;
  inFlight: StoredMessage[];
}

type Command = fc.AsyncCommand<Model, Real>;

const order: readonly TelemetryPriority[] = ['low', 'normal', 'high'];
const hour = 3_600_000;

const rules = (options: Required<Pick<OutboxOptions, 'maxBytes' | 'whenFull' | 'maxAgeMs'>>) => {
  /** Whether there is room then; the model drops for it what the rule says. */
  const makeRoom = (model: Model, item: Item): boolean => {
    const left = (): number =>
      model.items.reduce((total, { id, room }) => total + (model.acknowledged.has(id) ? 0 : room), 0);
    const victims: Item[] = [];
    if (item.room > options.maxBytes) return false;
    for (;;) {
      if (left() - victims.reduce((total, { room }) => total + room, 0) + item.room <= options.maxBytes) break;
      const waiting = model.items.slice(model.handedOut).filter((other) => !victims.includes(other));
      const candidates =
        options.whenFull === 'drop-newest'
          ? []
          : options.whenFull === 'drop-oldest'
            ? waiting
            : waiting
                .filter(({ priority }) => order.indexOf(priority) <= order.indexOf(item.priority))
                .sort((a, b) => order.indexOf(a.priority) - order.indexOf(b.priority));
      const [victim] = candidates;
      if (!victim) return false;
      victims.push(victim);
    }
    model.items = model.items.filter((other) => !victims.includes(other));
    model.dropped.push(...victims.map(({ id }) => id));
    return true;
  };

  const dropOld = (model: Model): void => {
    const isOld = (item: Item): boolean => item.addedMs < model.nowMs - options.maxAgeMs;
    const rest = model.items.slice(model.handedOut);
    model.dropped.push(...rest.filter(isOld).map(({ id }) => id));
    model.items = [...model.items.slice(0, model.handedOut), ...rest.filter((item) => !isOld(item))];
  };

  const forgetAcknowledged = (model: Model): void => {
    model.items = model.items.filter(({ id }) => !model.acknowledged.has(id));
  };

  const add = (sizes: readonly (readonly [number, TelemetryPriority])[]): Command => ({
    check: () => true,
    toString: () => `add ${JSON.stringify(sizes)}`,
    async run(model, { world }) {
      const ids = sizes.map(() => `m${(model.nextId += 1)}`);
      // Age is looked at a minute after the first message.
      if (model.items.every(({ id }) => model.acknowledged.has(id))) model.ageCheckedMs = model.nowMs;
      const results = await Promise.allSettled(
        sizes.map(([size, priority], index) =>
          world.add(ids[index] ?? '', { body: 'x'.repeat(size), contentType: 't', contentEncoding: '', priority }),
        ),
      );
      if (model.nowMs - model.ageCheckedMs >= 60_000) {
        model.ageCheckedMs = model.nowMs;
        dropOld(model);
      }
      const expected = sizes.map(([size, priority], index) => {
        const id = ids[index] ?? '';
        const item = { id, priority, room: size + 1 + id.length + 48 + 100, addedMs: model.nowMs };
        const hasRoom = makeRoom(model, item);
        if (hasRoom) model.items.push(item);
        return hasRoom ? 'fulfilled' : 'rejected';
      });
      expect(results.map(({ status }) => status)).toEqual(expected);
      expectSame(model, world.outbox);
    },
  });

  const read = (limit: number): Command => ({
    check: ({ isReading }) => isReading,
    toString: () => `read ${limit}`,
    async run(model, real) {
      const { world } = real;
      const messages = world.outbox.next(limit, 1500);
      if (messages.length === 0) dropOld(model);
      const last = model.items.findIndex(({ id }) => id === messages.at(-1)?.messageId);
      if (last >= 0) {
        // What is too old in between is dropped as it is passed.
        const end = model.items[last];
        const { handedOut } = model;
        const passed = model.items.slice(handedOut, last + 1);
        const old = passed.filter(
          (item) => item.addedMs < model.nowMs - options.maxAgeMs && !model.acknowledged.has(item.id),
        );
        model.dropped.push(...old.map(({ id }) => id));
        model.items = model.items.filter((item) => !old.includes(item));
        model.handedOut = model.items.findIndex((item) => item === end) + 1;
        expect(messages.map(({ messageId }) => messageId)).toEqual(
          model.items.slice(handedOut, model.handedOut).map(({ id }) => id),
        );
      } else {
        expect(model.items.slice(model.handedOut)).toEqual([]);
      }
      real.inFlight.push(...messages);
      expectSame(model, world.outbox);
    },
  });

  const acknowledge = (picks: readonly number[]): Command => ({
    check: ({ isReading }) => isReading,
    toString: () => `acknowledge ${picks.join()}`,
    async run(model, { world, inFlight }) {
      for (const pick of picks) {
        const [message] = inFlight.splice(pick % Math.max(1, inFlight.length), 1);
        if (!message) continue;
        world.outbox.acknowledge(message);
        model.acknowledged.add(message.messageId);
      }
      expectSame(model, world.outbox);
    },
  });

  const startReading: Command = {
    check: () => true,
    toString: () => 'startReading',
    async run(model, real) {
      real.world.outbox.startReading();
      real.inFlight = [];
      forgetAcknowledged(model);
      Object.assign(model, { isReading: true, handedOut: 0 });
    },
  };

  const stopReading: Command = {
    check: ({ isReading }) => isReading,
    toString: () => 'stopReading',
    async run(model, real) {
      real.world.outbox.stopReading();
      real.inFlight = [];
      forgetAcknowledged(model);
      Object.assign(model, { isReading: false, handedOut: 0 });
    },
  };

  const begin = (how: 'reopen' | 'crash'): Command => ({
    check: () => true,
    toString: () => how,
    async run(model, real) {
      // Removals are written within two turns.
      await nextTurn();
      await nextTurn();
      real.world[how]();
      real.inFlight = [];
      forgetAcknowledged(model);
      model.acknowledged.clear();
      if (model.items.length > 0) model.nowMs = Math.max(...model.items.map(({ addedMs }) => addedMs));
      Object.assign(model, { isReading: false, handedOut: 0, ageCheckedMs: 0 });
      expectSame(model, real.world.outbox);
    },
  });

  const wait = (ms: number): Command => ({
    check: () => true,
    toString: () => `wait ${ms}`,
    async run(model, { world }) {
      await nextTurn();
      model.nowMs += ms;
      world.now = new Date(world.now.getTime() + ms);
    },
  });

  return fc.commands(
    [
      fc
        .array(fc.tuple(fc.constantFrom(0, 10, 300, 700, 4000), fc.constantFrom(...order)), {
          minLength: 1,
          maxLength: 8,
        })
        .map(add),
      fc.integer({ min: 1, max: 6 }).map(read),
      fc.array(fc.nat(7), { minLength: 1, maxLength: 4 }).map(acknowledge),
      fc.constant(startReading),
      fc.constant(stopReading),
      fc.constantFrom('reopen' as const, 'crash' as const).map(begin),
      fc.constantFrom(0, 30_000, hour, 7 * hour).map(wait),
    ],
    { maxCommands: 60, size: 'max' },
  );
};

const expectSame = (model: Model, outbox: Outbox): void => {
  const items = model.items.filter(({ id }) => !model.acknowledged.has(id));
  expect([outbox.count, outbox.bytes]).toEqual([items.length, items.reduce((total, { room }) => total + room, 0)]);
};

describe('an outbox is an array that survives', () => {
  it.each(['drop-oldest', 'drop-newest', 'drop-lowest-priority'] as const)('where it must %s', async (whenFull) => {
    const options = { maxBytes: 4000, maxAgeMs: 6 * hour, whenFull };
    await fc.assert(
      fc.asyncProperty(rules(options), async (commands) => {
        const world = new OutboxWorld(options);
        const nowMs = world.now.getTime();
        const model: Model = {
          items: [],
          dropped: [],
          handedOut: 0,
          acknowledged: new Set(),
          isReading: false,
          nowMs,
          ageCheckedMs: 0,
          nextId: 0,
        };
        try {
          await fc.asyncModelRun(() => ({ model, real: { world, inFlight: [] } }), commands);
          expect(
            world
              .dropped()
              .flatMap(({ messageIds }) => messageIds)
              .sort(),
          ).toEqual([...model.dropped].sort());
          const old = (item: Item): boolean => item.addedMs < model.nowMs - options.maxAgeMs;
          const left = model.items.filter((item) => !model.acknowledged.has(item.id) && !old(item));
          expect(world.waiting()).toEqual(left.map(({ id }) => id));
        } finally {
          world.remove();
        }
      }),
      { numRuns: Number(process.env['OUTBOX_RUNS'] ?? 40) },
    );
  });
});
