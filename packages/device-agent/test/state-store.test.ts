import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openStateStore } from '../src/state/state-store.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the state store', () => {
  it('keeps values over closing and opening, in files that only the owner may read', () => {
    const inner = join(folder, 'made', 'anew');
    const first = openStateStore(inner, 'thermostat-1');
    first.put('a', { b: [1] });
    first.put('c', 1);
    first.remove('c');
    first.close();
    const second = openStateStore(inner, 'thermostat-1');
    expect([second.get('a'), second.get('c')]).toEqual([{ b: [1] }, undefined]);
    expect(statSync(inner).mode & 0o777).toBe(0o700);
    expect(statSync(join(inner, 'agent.db')).mode & 0o777).toBe(0o600);
    second.close();
  });

  it('fail: a second agent for the same device is told so, and a device beside it is not in its way', () => {
    const first = openStateStore(folder, 'thermostat-1');
    expect(() => openStateStore(folder, 'thermostat-1')).toThrow(
      expect.objectContaining({
        code: 'ERR_AGENT_STATE',
        message: expect.stringMatching(/Another agent for thermostat-1 .*stop it first/),
      }),
    );
    openStateStore(folder, 'thermostat-2').close();
    first.put('still', 'works');
    first.close();
    openStateStore(folder, 'thermostat-1').close();
  });

  it('fail: a folder that is a file, and a state that is none', () => {
    writeFileSync(join(folder, 'file'), 'x');
    const state = {
      code: 'ERR_AGENT_STATE',
      message: expect.stringMatching(/check that the folder can be written|damaged/),
    };
    expect(() => openStateStore(join(folder, 'file'), 'thermostat-1')).toThrow(expect.objectContaining(state));
    writeFileSync(join(folder, 'agent.db'), 'no database at all, but some text that is long enough for one');
    chmodSync(join(folder, 'agent.db'), 0o600);
    expect(() => openStateStore(folder, 'thermostat-1')).toThrow(expect.objectContaining(state));
  });
});
