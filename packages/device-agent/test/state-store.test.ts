import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { openStateStore, prepareStateFolder } from '../src/state/state-store.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stateError = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'ERR_AGENT_STATE', message: expect.stringMatching(message) });

const spawnHolder = async (): Promise<{ pid: number | undefined; end: () => Promise<void> }> => {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [fileURLToPath(new URL('./outbox-child.mjs', import.meta.url)), folder, '0'], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return {
    pid: child.pid,
    end: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
};

describe('the state store', () => {
  it('keeps values over closing and opening, in files that only the owner may read', async () => {
    const inner = join(folder, 'made', 'anew');
    const first = openStateStore(inner, 'thermostat-1');
    first.put('a', { b: [1] });
    first.put('c', 1);
    first.remove('c');
    first.close();
    const second = openStateStore(inner, 'thermostat-1');
    expect([second.get('a'), second.get('c')]).toEqual([{ b: [1] }, undefined]);
    await setImmediate();
    expect(statSync(inner).mode & 0o777).toBe(0o700);
    for (const file of ['agent.db', 'agent.db-wal', 'agent.db-shm', 'agent.lock', 'agent.pid']) {
      expect([file, statSync(join(inner, file)).mode & 0o777]).toEqual([file, 0o600]);
    }
    second.close();
  });

  it('is one database for all devices of a folder, each with values of its own', () => {
    const [first, second] = [openStateStore(folder, 'thermostat-1'), openStateStore(`${folder}/`, 'thermostat-2')];
    first.put('a', 1);
    second.put('a', 2);
    expect(first.database).toBe(second.database);
    expect(first.database.prepare('SELECT 1')).toBe(second.database.prepare('SELECT 1'));
    first.close();
    expect(second.get('a')).toBe(2);
    second.close();
    const again = openStateStore(folder, 'thermostat-1');
    expect([again.get('a'), again.device]).toEqual([1, first.device]);
    again.close();
  });

  it('does all of a transaction or nothing', () => {
    const store = openStateStore(folder, 'thermostat-1');
    store.put('a', 1);
    expect(() =>
      store.transaction(() => {
        store.put('a', 2);
        store.transaction(() => store.put('b', 2));
        throw new TypeError('changed my mind');
      }),
    ).toThrow(new TypeError('changed my mind'));
    expect([store.get('a'), store.get('b')]).toEqual([1, undefined]);
    expect(store.transaction(() => 'result')).toBe('result');
    store.close();
  });

  it('waits for the disk with each promise, and not where that is left to a later one', () => {
    const store = openStateStore(folder, 'thermostat-1');
    const { database } = store;
    const synchronous = (isDurable?: boolean): unknown =>
      database.transaction(() => database.prepare('PRAGMA synchronous').get(), isDurable);
    // SQLite's numbers: 1 is NORMAL, 2 is FULL.
    expect([synchronous(), synchronous(false), synchronous(true)]).toMatchObject(
      [2, 1, 2].map((value) => ({ synchronous: value })),
    );
    store.close();
  });

  it('may be prepared beside other work, and taken over at any step', async () => {
    for (let turns = 0; turns < 8; turns += 1) {
      const inner = join(folder, `turns-${turns}`, 'made');
      const preparing = prepareStateFolder(inner);
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
      const store = openStateStore(inner, 'thermostat-1');
      store.put('a', turns);
      await preparing;
      store.close();
      const again = openStateStore(inner, 'thermostat-1');
      expect(again.get('a')).toBe(turns);
      again.close();
    }
  });

  it('fail: what could not be prepared is told by the opening', async () => {
    const holder = await spawnHolder();
    await prepareStateFolder(folder);
    expect(() => openStateStore(folder, 'thermostat-9')).toThrow(stateError(/Another agent is running/));
    await holder.end();
    await prepareStateFolder(folder);
    openStateStore(folder, 'thermostat-9').close();
  });

  it('fail: a second agent for the same device is told so, and a device beside it is not in its way', () => {
    const first = openStateStore(folder, 'thermostat-1');
    expect(() => openStateStore(folder, 'thermostat-1')).toThrow(
      stateError(/Another agent for thermostat-1 is running in this process .*Stop it first/),
    );
    openStateStore(folder, 'thermostat-2').close();
    first.put('still', 'works');
    first.close();
    openStateStore(folder, 'thermostat-1').close();
  });

  it('fail: what another process holds, until that is killed', async () => {
    const holder = await spawnHolder();
    expect(() => openStateStore(folder, 'thermostat-9')).toThrow(
      stateError(new RegExp(`process ${holder.pid} holds it. Stop that one, or give this one a folder of its own`)),
    );
    rmSync(join(folder, 'agent.pid'));
    expect(() => openStateStore(folder, 'thermostat-9')).toThrow(stateError(/another process holds it/));
    await holder.end();
    openStateStore(folder, 'thermostat-9').close();
  });

  it('fail: nothing is written after closing', () => {
    const store = openStateStore(folder, 'thermostat-1');
    store.close();
    expect(() => store.put('a', 1)).toThrow(stateError(/is closed/));
    expect(() => store.get('a')).toThrow(stateError(/is closed/));
  });
});

describe('a state folder that is not as it should be', () => {
  const file = (): string => join(folder, 'agent.db');

  const writeState = (): void => {
    const store = openStateStore(folder, 'thermostat-1');
    for (let number = 0; number < 200; number += 1) store.put(`fact-${number}`, 'x'.repeat(200));
    store.close();
  };

  it('fail: is a file', () => {
    writeFileSync(join(folder, 'file'), 'x');
    expect(() => openStateStore(join(folder, 'file'), 'thermostat-1')).toThrow(
      stateError(/a file stands where its folder should be/),
    );
  });

  it.each<[string, string | undefined, string | undefined, string]>([
    [
      'something else',
      'no database at all, but long enough to be taken for one',
      undefined,
      'it is no SQLite database',
    ],
    ['something short', 'SQLite', 'log', 'it is no SQLite database'],
    ['an empty file and its log', '', 'log', 'it is empty'],
    ['only the log', undefined, 'log', 'its write-ahead log is there without it'],
  ])('holds %s: that is set aside, whole, and a new one begun', (_, body, log, reason) => {
    if (body !== undefined) writeFileSync(file(), body);
    if (log !== undefined) writeFileSync(`${file()}-wal`, log);
    const store = openStateStore(folder, 'thermostat-1');
    const { setAside } = store;
    expect(setAside).toEqual({ file: expect.stringMatching(/agent\.db\.damaged-\d{8}T\d{6}Z$/), reason });
    const kept = (name: string): string | undefined => (existsSync(name) ? readFileSync(name, 'utf8') : undefined);
    expect([kept(setAside!.file), kept(`${setAside!.file}-wal`)]).toEqual([body, log]);
    expect(openStateStore(folder, 'thermostat-2').setAside).toBeUndefined();
    store.put('a', 1);
    expect(store.get('a')).toBe(1);
  });

  it('is set aside as often as it takes, each under a name of its own', () => {
    const taken = [1, 2, 3].map((number) => {
      writeFileSync(file(), `damage ${number}`);
      const store = openStateStore(folder, 'thermostat-1');
      store.close();
      rmSync(file());
      rmSync(`${file()}-wal`, { force: true });
      return readFileSync(store.setAside!.file, 'utf8');
    });
    expect(taken).toEqual(['damage 1', 'damage 2', 'damage 3']);
  });

  it('fail: may not be read, and stays where it is', () => {
    writeFileSync(file(), 'perhaps a database');
    rmSync(file());
    mkdirSync(file());
    expect(() => openStateStore(folder, 'thermostat-1')).toThrow(stateError(/agent\.db/));
    expect(statSync(file()).isDirectory()).toBe(true);
  });

  it('fail: was cut short, and says so where it is read', () => {
    writeState();
    truncateSync(file(), statSync(file()).size - 8192);
    const before = readFileSync(file());
    expect(() => {
      const store = openStateStore(folder, 'thermostat-1');
      try {
        for (let number = 0; number < 200; number += 1) store.get(`fact-${number}`);
      } finally {
        store.close();
      }
    }).toThrow(stateError(/it is damaged, and nothing of it was deleted.*move the agent.db files elsewhere/));
    expect(readFileSync(file()).equals(before)).toBe(true);
  });

  it.each([
    [2, /written by a newer version of this package: its schema version is 2, this one knows 1/],
    [0, /is damaged: its schema version is 0/],
  ])('fail: has schema version %d', (version, message) => {
    writeState();
    const database = new Database(file());
    database.exec(`PRAGMA user_version = ${version}`);
    database.close();
    expect(() => openStateStore(folder, 'thermostat-1')).toThrow(stateError(message));
  });

  it('is made anew where a power cut left half of it', () => {
    writeFileSync(`${file()}.new`, 'half a database');
    writeState();
    const store = openStateStore(folder, 'thermostat-1');
    expect(store.get('fact-199')).toBe('x'.repeat(200));
    expect(existsSync(`${file()}.new`)).toBe(false);
    store.close();
  });
});
