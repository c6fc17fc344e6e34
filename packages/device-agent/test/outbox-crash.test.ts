import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextTurn, OutboxWorld } from './outbox-world.ts';

/** Runs the child until it has said so many lines, kills it, and returns what it said. */
const killedAfter = async (folder: string, lineCount: number, args: readonly string[]): Promise<string[]> => {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const file = fileURLToPath(new URL('./outbox-child.mjs', import.meta.url));
  const child = spawn(process.execPath, [file, folder, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => {
    lines.push(line);
    if (lines.length === lineCount) child.kill('SIGKILL');
  });
  await once(output, 'close');
  return lines;
};

const said = (lines: readonly string[], word: string): string[] =>
  lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));

describe('kill -9', () => {
  it('loses nothing that was promised, doubles nothing, and changes no order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
    const promised: string[] = [];
    for (const [lineCount, inOneTurn] of [
      [2, 1],
      [7, 1],
      [90, 1],
      [600, 7],
      [1500, 40],
      [8000, 300],
    ] as const) {
      promised.push(...said(await killedAfter(folder, lineCount, [String(inOneTurn)]), 'added'));
      const world = new OutboxWorld({}, folder);
      const waiting = world.waiting();
      // What was on disk and couldn't be said any more belongs there as well.
      expect(new Set(waiting).size).toBe(waiting.length);
      const positions = promised.map((id) => waiting.indexOf(id));
      expect(positions).toEqual([...positions].sort((a, b) => a - b));
      expect(positions[0]).toBe(0);
      world.store.close();
    }
    expect(promised.length).toBeGreaterThan(10_000);
    rmSync(folder, { recursive: true });
  });

  it('keeps what was not acknowledged while messages come and go', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
    const promised = new Set<string>();
    for (const lineCount of [50, 333, 2000, 4000]) {
      const lines = await killedAfter(folder, lineCount, ['20', 'read']);
      for (const id of said(lines, 'added')) promised.add(id);
      for (const id of said(lines, 'acknowledged')) promised.delete(id);
      const world = new OutboxWorld({}, folder);
      const waiting = new Set(world.waiting());
      expect([...promised].filter((id) => !waiting.has(id))).toEqual([]);
      world.store.close();
    }
    expect(promised.size).toBeGreaterThan(100);
    rmSync(folder, { recursive: true });
  });
});

/** What is left of a state folder after a power cut: the database, and a log that may end anywhere after what was synced. */
class PowerCut {
  readonly #folder = mkdtempSync(join(tmpdir(), 'outbox-cut-'));

  constructor(from: string, log: (file: string) => void) {
    for (const name of ['agent.db', 'agent.db-wal']) copyFileSync(join(from, name), join(this.#folder, name));
    log(join(this.#folder, 'agent.db-wal'));
  }

  waiting(): string[] {
    const world = new OutboxWorld({}, this.#folder);
    const ids = world.waiting();
    world.remove();
    return ids;
  }
}

describe('a power cut', () => {
  const logSize = ({ folder }: OutboxWorld): number => statSync(join(folder, 'agent.db-wal')).size;

  /** Messages in groups of every size, some of them acknowledged, and where the log ended when each group was promised. */
  const life = async (): Promise<{ world: OutboxWorld; promises: { id: string; logEnd: number }[] }> => {
    const world = new OutboxWorld();
    world.outbox.startReading();
    const promises: { id: string; logEnd: number }[] = [];
    for (let group = 1; group <= 25; group += 1) {
      const ids = Array.from({ length: (group % 7) + 1 }, (_, index) => `${group}-${index}`);
      await Promise.all(ids.map((id) => world.add(id, { body: 'x'.repeat((group * 97) % 3000) })));
      const logEnd = logSize(world);
      promises.push(...ids.map((id) => ({ id, logEnd })));
      if (group % 5 === 0) {
        for (const message of world.read(3)) world.outbox.acknowledge(message);
        await nextTurn();
      }
    }
    return { world, promises };
  };

  it('anywhere after the last wait for the disk keeps what was promised', async () => {
    const { world, promises } = await life();
    const acknowledged = 15;
    const size = logSize(world);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: size }), (end) => {
        const waiting = new PowerCut(world.folder, (log) => truncateSync(log, end)).waiting();
        const kept = promises.filter(({ logEnd }) => logEnd <= end).map(({ id }) => id);
        // Removals that were cut off repeat their messages.
        const expected = kept.slice(acknowledged);
        expect(waiting.filter((id) => expected.includes(id))).toEqual(expected);
        expect(promises.map(({ id }) => id).filter((id) => waiting.includes(id))).toEqual(waiting);
      }),
      { numRuns: 150, examples: [[0], [size], [size - 1], [32], [31]] },
    );
    world.remove();
  });

  it('that leaves anything at all behind what was synced keeps what was promised', async () => {
    const { world, promises } = await life();
    const size = logSize(world);
    const ends = [...new Set(promises.map(({ logEnd }) => logEnd))];
    fc.assert(
      fc.property(fc.constantFrom(...ends), fc.uint8Array({ minLength: 1, maxLength: 9000 }), (end, noise) => {
        const waiting = new PowerCut(world.folder, (log) => {
          const descriptor = openSync(log, 'r+');
          writeSync(descriptor, noise, 0, noise.length, end);
          closeSync(descriptor);
        }).waiting();
        const expected = promises
          .filter(({ logEnd }) => logEnd <= end)
          .map(({ id }) => id)
          .slice(15);
        expect(waiting.filter((id) => expected.includes(id))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
    expect(size).toBeGreaterThan(100_000);
    world.remove();
  });

  it('between any two promises of a long life finds all of them, also across checkpoints', async () => {
    const world = new OutboxWorld();
    const promised: string[] = [];
    let checkpoints = 0;
    for (let group = 0; group < 60; group += 1) {
      const before = statSync(join(world.folder, 'agent.db')).size;
      const ids = Array.from({ length: 40 }, (_, index) => `${group}-${index}`);
      await Promise.all(ids.map((id) => world.add(id, { body: 'x'.repeat(2500) })));
      promised.push(...ids);
      if (statSync(join(world.folder, 'agent.db')).size > before) checkpoints += 1;
      if (group % 6 === 5) expect(new PowerCut(world.folder, () => undefined).waiting()).toEqual(promised);
    }
    expect(checkpoints).toBeGreaterThan(0);
    world.remove();
  });

  it('while the first database is being made leaves none, and the next start makes it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
    const whole = new OutboxWorld();
    whole.store.close();
    const bytes = readFileSync(join(whole.folder, 'agent.db'));
    for (const length of [0, 1, 4096, bytes.length]) {
      writeFileSync(join(folder, 'agent.db.new'), bytes.subarray(0, length));
      const world = new OutboxWorld({}, folder);
      expect(world.waiting()).toEqual([]);
      world.store.close();
      rmSync(join(folder, 'agent.db'));
      rmSync(join(folder, 'agent.db-wal'), { force: true });
    }
    rmSync(folder, { recursive: true });
    rmSync(whole.folder, { recursive: true });
  });
});
