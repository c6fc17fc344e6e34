import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextTurn, OutboxWorld } from './outbox-world.ts';
import { mayMountSmallDisk, SmallDisk } from './small-disk.ts';

// An outbox on a small disk that others fill and free at any moment. DISK_RUNS sets how many lives are lived (default 30).

const itOnDisk = mayMountSmallDisk ? it : it.skip;

type Step =
  | { readonly kind: 'add'; readonly count: number; readonly bytes: number }
  | { readonly kind: 'deliver'; readonly count: number }
  | { readonly kind: 'fill'; readonly leave: number }
  | { readonly kind: 'free' }
  | { readonly kind: 'restart'; readonly isFilled: boolean };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      kind: fc.constant('add' as const),
      count: fc.integer({ min: 1, max: 10 }),
      bytes: fc.constantFrom(50, 1_000, 20_000, 200_000),
    }),
    fc.record({ kind: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant('fill' as const), leave: fc.constantFrom(0, 0, 50_000, 1_000_000) }),
    fc.record({ kind: fc.constant('free' as const) }),
    fc.record({ kind: fc.constant('restart' as const), isFilled: fc.boolean() }),
  ),
  { minLength: 10, maxLength: 40, size: 'max' },
);

/** What goes on between an outbox and its disk, with what has to be in it. */
class Life {
  readonly #small: SmallDisk;
  readonly #world: OutboxWorld;
  #waiting: string[] = [];
  #last = 0;

  constructor(megabytes: number) {
    this.#small = new SmallDisk(megabytes);
    this.#world = new OutboxWorld({}, join(this.#small.folder, 'state'));
    this.#world.outbox.startReading();
  }

  async run(step: Step): Promise<void> {
    if (step.kind === 'add') await this.#add(step.count, 'x'.repeat(step.bytes));
    else if (step.kind === 'deliver') await this.deliver(step.count);
    else if (step.kind === 'fill') this.#small.fill(step.leave);
    else if (step.kind === 'free') this.#small.free();
    else this.#restart(step.isFilled);
  }

  /** Whether there was any. */
  async deliver(count: number): Promise<boolean> {
    const page = this.#world.read(count);
    for (const message of page) this.#world.outbox.acknowledge(message);
    expect(page.map(({ messageId }) => messageId)).toEqual(this.#waiting.splice(0, page.length));
    for (let turn = 0; turn < 3; turn += 1) await nextTurn();
    return page.length > 0;
  }

  /** On a disk that is full to the last byte. */
  async deliverAll(): Promise<void> {
    this.#small.fill();
    while (await this.deliver(30)) this.#small.fill();
    this.#restart(true);
    expect([this.#waiting, this.#world.outbox.count]).toEqual([[], 0]);
  }

  close(): void {
    this.#world.store.close();
    this.#small.close();
  }

  async #add(count: number, body: string): Promise<void> {
    const ids = Array.from({ length: count }, () => `message-${(this.#last += 1)}`);
    const results = await Promise.allSettled(ids.map((id) => this.#world.add(id, { body })));
    this.#waiting.push(...ids.filter((_, index) => results[index]?.status === 'fulfilled'));
  }

  #restart(isFilled: boolean): void {
    this.#world.store.close();
    if (isFilled) this.#small.fill();
    this.#world.open();
    this.#world.outbox.startReading();
    expect(this.#world.outbox.count).toBe(this.#waiting.length);
  }
}

describe('an outbox on a disk that others fill', () => {
  itOnDisk(
    'has what it promised, in order, and forgets what was delivered',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(1, 2, 3, 5, 40), steps, async (megabytes, life) => {
          const lived = new Life(megabytes);
          try {
            for (const step of life) await lived.run(step);
            await lived.deliverAll();
          } finally {
            lived.close();
          }
        }),
        { numRuns: Number(process.env['DISK_RUNS'] ?? 30) },
      );
    },
    600_000,
  );
});
