import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openLibsqlEngine } from '../src/data/libsql-engine.ts';
import { memoryEngine } from '../src/data/memory-engine.ts';
import type { EntityChange } from '../src/data/storage-engine.ts';
import { Store } from '../src/data/store.ts';
import { startAzureIot } from '../src/index.ts';
import { startSeeded } from './data-bed.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulator-store-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each(['memory', 'libsql'])('a store in %s', (engine) => {
  /** Ends a store and opens another on what it held. */
  const reopen = (store?: Store): Store => {
    const held = store?.dump() ?? [];
    store?.close();
    return new Store(engine === 'memory' ? memoryEngine(held) : openLibsqlEngine(join(folder, 'engine')));
  };

  it('ok: maps come back in the order of creation, with bytes and maps in them; what is gone stays gone', () => {
    let store = reopen();
    const map = store.shelf('owner').map<unknown>('things');
    map.set('b', { bytes: Uint8Array.of(1, 2), map: new Map([['x', 1]]), nothing: null });
    map.set('a', 'second');
    map.set('c', 'third');
    map.set('b2', 'gone');
    map.delete('b2');
    store = reopen(store);
    const again = store.shelf('owner').map<unknown>('things');
    expect([...again.keys()]).toEqual(['b', 'a', 'c']);
    expect(again.get('b')).toEqual({ bytes: Uint8Array.of(1, 2), map: new Map([['x', 1]]), nothing: null });
    again.set('a', 'changed');
    again.delete('c');
    store = reopen(store);
    expect([...store.shelf('owner').map('things')]).toEqual([
      ['b', expect.anything()],
      ['a', 'changed'],
    ]);
    store.close();
  });

  it('ok: a shelf is dropped with all that is in it, read or not, and nothing beside it', () => {
    let store = reopen();
    store.shelf('hubs/one').map('devices').set('d', 1);
    store.shelf('hubs/one').value('key', () => 'k');
    store.shelf('hubs/one-more').map('devices').set('d', 2);
    store = reopen(store);
    store.shelf('hubs/one').map('devices');
    store.shelf('hubs/one').drop();
    store = reopen(store);
    expect([...store.shelf('hubs/one').map('devices')]).toEqual([]);
    expect(store.shelf('hubs/one').value('key', () => 'new').current).toBe('new');
    expect([...store.shelf('hubs/one-more').map('devices')]).toEqual([['d', 2]]);
    store.close();
  });

  it('fail: a collection has one owner', () => {
    const store = reopen();
    store.shelf('x').map('y');
    expect(() => store.shelf('x').map('y')).toThrow('collection x/y has an owner already');
    store.close();
  });
});

describe('what waits for a commit', () => {
  it('ok: changes of one turn are one commit; a disk that refuses lets nobody be told, and is tried again', async () => {
    const commits: EntityChange[][] = [];
    let isFull = true;
    const store = new Store({
      isDurable: true,
      load: () => [],
      close: () => undefined,
      commit: (changes) => {
        if (isFull) throw new Error('database or disk is full');
        commits.push([...changes]);
      },
    });
    const map = store.shelf('s').map<number>('m');
    map.set('a', 1);
    map.set('a', 2);
    await expect(store.committed()).rejects.toThrow('disk is full');
    isFull = false;
    map.set('b', 3);
    await store.committed();
    expect(commits).toEqual([
      [
        { collection: 's/m', key: 'a', value: '2' },
        { collection: 's/m', key: 'b', value: '3' },
      ],
    ]);
    expect(store.committed()).toBeUndefined();
    store.seal();
    map.set('c', 4);
    await expect(store.committed()).rejects.toThrow('takes no changes');
  });
});

describe('an emulator that is stopped and started again', () => {
  it('ok: queues, sessions, tokens’ key, clock and records are as they were', async () => {
    const dataFolder = join(folder, 'emulator');
    const first = await startSeeded({ dataFolder });
    first.hub('hub-1').sendToDevice('d1', { body: Buffer.from('waits'), properties: { a: null } });
    first.clock.freeze();
    first.clock.set(Date.UTC(2040, 0, 1));
    const before = first.snapshots.take();
    await first.saved();
    await first.close();
    const second = await startAzureIot({ dataFolder });
    expect(second.snapshots.take()).toEqual(before);
    expect([second.clock.isFrozen, second.clock.nowMs]).toEqual([true, Date.UTC(2040, 0, 1)]);
    expect({ ...second.cloud }).toEqual({ ...first.cloud });
    await second.close();
  });
});
