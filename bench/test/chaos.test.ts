import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { isClean, judge, type ChaosReport } from '../src/chaos/chaos-report.ts';
import { Journal, readJournal } from '../src/chaos/journal.ts';
import { runChaos } from '../src/chaos/run-chaos.ts';

const folder = mkdtempSync(join(tmpdir(), 'chaos-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { agents: 4, seconds: 25, speed: 10, seed: 2, progress: () => undefined };

describe('a short chaos run', () => {
  it('loses nothing, keeps the order, does nothing twice and misses nothing', async () => {
    const report = await runChaos(options);
    expect(report).toMatchObject({
      findings: [],
      ended: [],
      isAtRest: true,
      ...{ lost: 0, outOfOrder: 0, commandsMissed: 0, commandsAppliedTwice: 0, desiredMissed: 0 },
    });
    expect(isClean(report)).toBe(true);
    const { 'agents killed': agents = 0, 'emulator killed': emulator = 0, ...others } = report.faults;
    // Every few seconds, whatever else goes on.
    expect(agents).toBeGreaterThan(options.seconds / 6);
    expect(emulator).toBeGreaterThan(options.seconds / 15);
    expect(Object.keys(others).length).toBeGreaterThan(3);
    // A run in which nothing happens proves nothing.
    expect(Math.min(report.messages, report.commands, report.desiredChanges)).toBeGreaterThan(50);
    expect(report.connections).toBeGreaterThan(options.agents);
  }, 240_000);
});

describe('the books after a run', () => {
  type Books = Parameters<typeof judge>[0];

  const books = (
    numbers: readonly number[],
    commands: { readonly sent: string[]; readonly applied: string[] },
    missed: readonly string[] = [],
  ): Promise<ChaosReport> => {
    const device = {
      ...{ options: { registrationId: 'd' }, promised: [0, 1, 2], ends: [] },
      ...{ notTaken: 0, connections: 1, provisionings: 1, handedOverAgain: 3, endsOnFullDisk: 2 },
    };
    const arrivals = numbers.map((number, index) => ({ sequence: index + 1, deviceId: 'd', number }));
    return judge({
      options,
      stage: { devices: [device], azure: { arrivals } } as unknown as Books['stage'],
      office: {
        ...{ messages: 1, changes: 1, messagesOf: () => commands, missedBy: async () => missed },
        repeatedBy: () => ['setting1: 7'],
      } as never,
      ...{ faults: {}, isAtRest: true, skipped: [] },
    });
  };
  const quiet = { sent: ['a'], applied: ['a'] };

  it('ok: everything once, and in order; repetition on the wire is counted and no fault', async () => {
    const report = await books([0, 1, 0, 1, 2], quiet);
    expect(report).toMatchObject({ lost: 0, outOfOrder: 0, duplicates: 2, findings: [] });
    expect(report).toMatchObject({ commandsHandedOverAgain: 3, desiredHandedOverAgain: 1, endedOnFullDisk: 2 });
    expect(isClean(report)).toBe(true);
  });

  it.each<[string, Promise<ChaosReport>, Partial<ChaosReport>]>([
    ['lost telemetry', books([0, 2], quiet), { lost: 1, findings: ['d: lost: 1'] }],
    ['telemetry that was overtaken', books([0, 2, 1], quiet), { outOfOrder: 1, findings: ['d: out of order: 1'] }],
    ['a command done twice', books([0, 1, 2], { sent: ['a'], applied: ['a', 'a'] }), { commandsAppliedTwice: 1 }],
    ['a command not done', books([0, 1, 2], { sent: ['a'], applied: [] }), { commandsMissed: 1 }],
    ['a change not seen', books([0, 1, 2], quiet, ['setting1']), { desiredMissed: 1 }],
  ])('fail: %s', async (_, judged, expected) => {
    const report = await judged;
    expect(report).toMatchObject(expected);
    expect(isClean(report)).toBe(false);
  });
});

describe('an application’s journal', () => {
  it('is there after the process, without a line that was cut', () => {
    const path = join(folder, 'journal');
    const journal = new Journal(path);
    journal.append('one');
    journal.append('two');
    journal.close();
    writeFileSync(path, 'thr', { flag: 'a' });
    expect(readJournal(path)).toEqual(['one', 'two']);
    expect(new Journal(path).has('two')).toBe(true);
    expect(readJournal(join(folder, 'none'))).toEqual([]);
  });
});
