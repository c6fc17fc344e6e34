import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DesiredProperties } from '../src/twin/desired-properties.ts';
import type { DesiredChange } from '../src/index.ts';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';

let folder: string;
let store: StateStore;
let changes: DesiredChange[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'desired-'));
  store = openStateStore(folder, 'thermostat-1');
  changes = [];
});

afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = (): DesiredProperties =>
  new DesiredProperties(store, {
    handle: (change) => void changes.push(change),
    acknowledge: () => undefined,
    onHandled: () => undefined,
  });

describe('desired properties by version', () => {
  it('asks for the whole where a version is missing', async () => {
    const desired = open();
    await desired.takeAll({ a: 1, $version: 3 });
    await expect(desired.takePatch({ a: 2, $version: 4 })).resolves.toBe(false);
    await expect(desired.takePatch({ b: 1, $version: 6 })).resolves.toBe(true);
    await desired.takeAll({ a: 2, b: 1, c: 1, $version: 6 });
    expect(changes.map(({ properties, version }) => [version, properties])).toEqual([
      [3, { a: 1 }],
      [4, { a: 2 }],
      [6, { b: 1, c: 1 }],
    ]);
  });

  it('passes over what it has seen: a patch that overlaps the whole, and the whole again', async () => {
    const desired = open();
    await desired.takeAll({ a: 1, $version: 3 });
    await expect(desired.takePatch({ a: 1, $version: 2 })).resolves.toBe(false);
    await expect(desired.takePatch({ a: 1, $version: 3 })).resolves.toBe(false);
    await desired.takeAll({ a: 1, $version: 3 });
    expect(changes).toHaveLength(1);
  });

  it('remembers over a restart', async () => {
    await open().takeAll({ a: 1, $version: 3 });
    await open().takeAll({ a: 1, b: 2, $version: 4 });
    expect(changes.map(({ properties }) => properties)).toEqual([{ a: 1 }, { b: 2 }]);
  });

  it('takes a lower version for a twin made anew, and says what has gone', async () => {
    const desired = open();
    await desired.takeAll({ a: 1, b: 2, $version: 9 });
    await desired.takeAll({ b: 3, $version: 1 });
    expect(changes.at(-1)).toEqual({ properties: { a: null, b: 3 }, desired: { b: 3 }, version: 1 });
  });

  it('handles one change at a time', async () => {
    const order: string[] = [];
    const desired = new DesiredProperties(store, {
      handle: async ({ version }) => {
        order.push(`begin ${version}`);
        await Promise.resolve();
        order.push(`end ${version}`);
        return undefined;
      },
      acknowledge: () => undefined,
      onHandled: () => undefined,
    });
    await Promise.all([desired.takePatch({ a: 1, $version: 1 }), desired.takePatch({ a: 2, $version: 2 })]);
    expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
  });
});
