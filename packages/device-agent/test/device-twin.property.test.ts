import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DesiredChange, TwinEvent } from '../src/index.ts';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';
import { DeviceTwin } from '../src/twin/device-twin.ts';
import { hastyClock, merged, ModelHub, turns, type Fate, type Json } from './model-hub.ts';
import { MortalStore } from './mortal-store.ts';

let folder: string;
let store: StateStore;
let device = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twin-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const name = fc.constantFrom('a', 'b', 'c', 'constructor');
const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constantFrom('x', 'y'));
const { patch } = fc.letrec<{ patch: Json; value: unknown }>((tie) => ({
  patch: fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  value: fc.oneof({ depthSize: 'xsmall' }, leaf, fc.constant(null), tie('patch')),
}));

const action = fc.oneof(
  { weight: 6, arbitrary: patch.map((change) => ({ kind: 'patch' as const, change })) },
  { weight: 4, arbitrary: patch.map((change) => ({ kind: 'report' as const, change })) },
  { weight: 4, arbitrary: fc.nat({ max: 12 }).map((count) => ({ kind: 'turns' as const, count })) },
  { weight: 2, arbitrary: fc.constant({ kind: 'connect' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'disconnect' as const }) },
  { weight: 1, arbitrary: fc.nat({ max: 6 }).map((count) => ({ kind: 'slow-answers' as const, count })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'lose-notification' as const }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Fate>('lost-answer', 'busy').map((fate) => ({ kind: 'fate' as const, fate })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 1, arbitrary: patch.map((desired) => ({ kind: 'recreate' as const, desired: merged({}, desired) })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat({ max: 5 }), fc.boolean())
      .map(([writes, reachesDisk]) => ({ kind: 'kill' as const, writes, reachesDisk })),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
/** An action, and how long it is before the next. */
const step = fc.tuple(action, fc.nat({ max: 4 }));
const steps = fc.array(step, { maxLength: 40, size: 'max' });

/** A device that lives through the steps, with what its application saw. */
class Life {
  readonly hub = new ModelHub();
  readonly calls: DesiredChange[] = [];
  readonly events: TwinEvent[] = [];
  /** What the application has asked to report, without acknowledgements; they have names of their own. */
  local: Json = {};
  /** The state of a device that does no more than it is told. */
  applied: Json = {};
  repeated = false;
  wasCut = false;
  #process = new MortalStore(store);
  #twin = this.#start();
  #isConnected = false;

  async live(life: readonly (readonly [Action, number])[]): Promise<void> {
    for (const [next, pause] of life) {
      await this.#take(next);
      await turns(pause);
      if (this.#process.isDead) this.#restart();
    }
    await this.finish();
  }

  async finish(): Promise<void> {
    this.#process.dieAtWrite(Infinity, false);
    this.hub.lostNotifications = 0;
    this.hub.fates.length = 0;
    if (this.#process.isDead) this.#restart();
    this.#connect();
    await turns(200);
    await this.#twin.settled();
    await turns(50);
  }

  async #take(next: Action): Promise<void> {
    switch (next.kind) {
      case 'patch':
        this.hub.patchDesired(next.change);
        return;
      case 'report':
        this.#report(next.change);
        return;
      case 'turns':
        return turns(next.count);
      case 'connect':
        this.#connect();
        return;
      case 'disconnect':
        this.#disconnect();
        return;
      case 'slow-answers':
        this.hub.answerDelayTurns = next.count;
        return;
      case 'lose-notification':
        // Only a later notification, or the next session, can tell of it.
        this.hub.lostNotifications += 1;
        return;
      case 'fate':
        this.hub.fates.push(next.fate);
        return;
      case 'restart':
        this.#restart();
        return;
      case 'recreate':
        this.#disconnect();
        this.hub.recreate(next.desired);
        return;
      case 'kill':
        this.#process.dieAtWrite(next.writes, next.reachesDisk);
    }
  }

  #report(change: Json): void {
    const own = Object.fromEntries(Object.entries(change).map(([key, value]) => [`own-${key}`, value]));
    const before = store.get('reported');
    try {
      this.#twin.report(own);
    } catch {
      // The kill: the application learns nothing. What is on disk tells what the device reports from here on.
      if (JSON.stringify(store.get('reported')) === JSON.stringify(before)) return;
    }
    this.local = merged(this.local, own);
  }

  #connect(): void {
    if (this.#isConnected) this.#disconnect();
    this.#isConnected = true;
    const twin = this.#twin;
    twin.connected(this.hub.connect((change) => twin.takeDesired(change)));
  }

  #disconnect(): void {
    this.#isConnected = false;
    this.hub.disconnect();
    this.#twin.disconnected();
  }

  #restart(): void {
    this.#isConnected = false;
    this.hub.disconnect();
    this.wasCut = true;
    this.#process.die();
    this.#twin.stop();
    this.#process = new MortalStore(store);
    this.#twin = this.#start();
  }

  #start(): DeviceTwin {
    const process = this.#process;
    return new DeviceTwin({
      store: process,
      clock: hastyClock,
      random: () => 0,
      onEvent: (event) => this.events.push(event),
      onDesired: async (change) => {
        await turns(1);
        if (process.isDead) throw new Error('killed');
        this.#apply(change);
        return Object.fromEntries(
          Object.entries(change.properties)
            .filter(([, value]) => value !== null)
            .map(([key]) => [key, { value: change.desired[key] }]),
        );
      },
    });
  }

  #apply(change: DesiredChange): void {
    this.calls.push(change);
    const { version, desired } = (store.get('desired') ?? { version: 0, desired: {} }) as {
      version: number;
      desired: Json;
    };
    // A change that is marked as handled doesn't come again; one that was cut does, whatever became of it.
    this.repeated ||=
      version === change.version && JSON.stringify(desired) === JSON.stringify(change.desired) && !this.wasCut;
    this.wasCut = false;
    this.applied = merged(this.applied, change.properties);
  }
}

describe('a twin with random faults', () => {
  it('reaches every final state of desired properties, applies none twice, and acknowledges what is in force', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (life) => {
        await inNewLife(life, ({ hub, applied, calls, repeated }) => {
          expect(repeated).toBe(false);
          expect(applied).toEqual(hub.desired);
          for (const [key, value] of Object.entries(hub.desired)) {
            const told = calls.filter(({ properties }) => Object.hasOwn(properties, key)).at(-1);
            expect(hub.reported[key]).toEqual({ value, ac: 200, av: told?.version });
          }
        });
      }),
      { numRuns: 100 },
    );
  });

  it('ends with the hub having what the device reports, and sends no more than what is missing', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (life) => {
        await inNewLife(life, ({ hub, local }) => {
          const own = Object.fromEntries(Object.entries(hub.reported).filter(([key]) => key.startsWith('own-')));
          expect(own).toEqual(local);
          for (const { patch: sent, before } of hub.patches) {
            expect(Object.keys(sent)).not.toEqual([]);
            expect(idleLeaves(before, sent)).toEqual([]);
          }
        });
      }),
      { numRuns: 100 },
    );
  });
});

async function inNewLife(actions: readonly (readonly [Action, number])[], check: (life: Life) => void): Promise<void> {
  device += 1;
  store = openStateStore(folder, `device-${device}`);
  try {
    const life = new Life();
    await life.live(actions);
    check(life);
  } finally {
    store.close();
  }
}

/** Paths of a patch that leave everything as it was. */
function idleLeaves(before: unknown, sent: Json, path = ''): string[] {
  return Object.entries(sent).flatMap(([key, value]) => {
    const here = `${path}/${key}`;
    const old = isObject(before) && Object.hasOwn(before, key) ? before[key] : undefined;
    if (isObject(value) && isObject(old))
      return Object.keys(value).length === 0 ? [here] : idleLeaves(old, value, here);
    return JSON.stringify(old ?? null) === JSON.stringify(value) ? [here] : [];
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
