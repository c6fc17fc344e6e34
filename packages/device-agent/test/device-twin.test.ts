import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { z } from 'zod';
import { defineTwin, jsonSchema, type DesiredChange, type TwinEvent } from '../src/index.ts';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';
import { DeviceTwin, type DeviceTwinOptions } from '../src/twin/device-twin.ts';
import { ManualClock } from './manual-clock.ts';
import { hastyClock, ModelHub, turns } from './model-hub.ts';

let folder: string;
let store: StateStore;
let hub: ModelHub;
let events: TwinEvent[];
let changes: DesiredChange[];
const opened: DeviceTwin[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twin-'));
  store = openStateStore(folder, 'thermostat-1');
  hub = new ModelHub();
  events = [];
  changes = [];
});

afterEach(() => {
  for (const twin of opened.splice(0)) twin.stop();
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(options: Partial<DeviceTwinOptions> = {}): DeviceTwin {
  const twin = new DeviceTwin({
    store,
    clock: hastyClock,
    random: () => 0,
    onDesired: (change) => void changes.push(change),
    onEvent: (event) => events.push(event),
    ...options,
  });
  opened.push(twin);
  return twin;
}

async function connect(twin: DeviceTwin): Promise<void> {
  twin.connected(hub.connect((patch) => twin.takeDesired(patch)));
  await turns();
}

const versions = (): [number, unknown][] => changes.map(({ version, properties }) => [version, properties]);
const errors = (): string[] => events.flatMap((event) => (event.type === 'twin-failed' ? [event.error.message] : []));

describe('desired properties', () => {
  it('come by notification, and from the whole where a notification was lost', async () => {
    await connect(open());
    hub.patchDesired({ a: { x: 1, y: 2 } });
    hub.lostNotifications = 1;
    hub.patchDesired({ b: 1 });
    hub.patchDesired({ a: { y: null } });
    await turns();
    expect(versions()).toEqual([
      [2, { a: { x: 1, y: 2 } }],
      [4, { a: { y: null }, b: 1 }],
    ]);
    expect(changes.at(-1)?.desired).toEqual({ a: { x: 1 }, b: 1 });
    expect(events.flatMap((event) => (event.type === 'desired-handled' ? [event.version] : []))).toEqual([1, 2, 4]);
  });

  it('come once over a restart, and with what changed meanwhile', async () => {
    hub.patchDesired({ a: 1 });
    const first = open();
    await connect(first);
    first.stop();
    await connect(open());
    expect(changes).toHaveLength(1);
    hub.patchDesired({ a: 2, b: 1 });
    await turns();
    expect(versions().at(-1)).toEqual([3, { a: 2, b: 1 }]);
  });

  it('with a lower version, or other content for the same, are those of a device made anew', async () => {
    hub.patchDesired({ a: 1, b: 2 });
    hub.patchDesired({ b: 3 });
    const twin = open();
    await connect(twin);
    hub.recreate({ b: 4 });
    await connect(twin);
    hub.recreate({ c: 5 });
    await connect(twin);
    expect(versions()).toEqual([
      [3, { a: 1, b: 3 }],
      [1, { a: null, b: 4 }],
      [1, { b: null, c: 5 }],
    ]);
  });

  it('are acknowledged as the handler says, with 500 where it fails, and what the twin can not hold is told', async () => {
    await connect(
      open({
        onDesired: ({ version, properties }) => {
          if (version === 3) throw new Error('valve is stuck');
          if (version === 4) return { a: { value: Number.NaN }, b: { value: 1, code: 203 } };
          return { a: { value: properties['a'], description: 'x'.repeat(9_999) } };
        },
      }),
    );
    hub.patchDesired({ a: { x: 1, k: 0 } });
    await turns();
    expect(hub.reported).toEqual({ a: { value: { x: 1, k: 0 }, ac: 200, av: 2, ad: 'x'.repeat(500) } });
    hub.patchDesired({ a: { x: null, y: 1 } });
    await turns();
    expect(hub.reported).toEqual({ a: { value: { k: 0, y: 1 }, ac: 500, av: 3, ad: 'valve is stuck' } });
    expect(events).toContainEqual({
      type: 'handler-failed',
      handler: 'onDesired',
      version: 3,
      error: expect.anything(),
    });
    hub.patchDesired({ a: null, b: 1 });
    await turns();
    expect(hub.reported).toMatchObject({ a: { av: 3 }, b: { value: 1, ac: 203, av: 4 } });
    expect(errors()).toEqual([
      expect.stringMatching(/property a\.value can't go into the twin: NaN is no JSON number/),
    ]);
  });

  it('fail: a handler that takes too long, and one that is stopped', async () => {
    const clock = new ManualClock();
    const signals: AbortSignal[] = [];
    const onDesired: DeviceTwinOptions['onDesired'] = (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const twin = open({ clock, onDesired, timeoutMs: 1_000 });
    await connect(twin);
    hub.patchDesired({ a: 1 });
    await turns();
    await clock.advance(1_000);
    await turns();
    expect(hub.reported).toMatchObject({ a: { value: 1, ac: 500, ad: expect.stringMatching(/took longer than 1 s/) } });
    hub.patchDesired({ a: 2 });
    await turns();
    twin.stop();
    await twin.settled();
    expect(signals.at(-1)?.reason).toMatchObject({ code: 'ERR_AGENT_STOPPED' });
    await connect(open());
    expect(versions()).toEqual([[3, { a: 2 }]]);
  });
});

describe('reported properties', () => {
  it('become one patch, the smallest that does it, and none where nothing changes', async () => {
    const twin = open();
    twin.report({ a: 1, deep: { x: 1, list: [{ y: 1 }] } });
    twin.report({ a: 2, gone: 1 });
    twin.report({ gone: null });
    await connect(twin);
    twin.report({ a: 2, deep: { list: [{ y: 1 }] } });
    await turns();
    twin.report({ b: 1 });
    twin.report({ deep: { x: null, z: 2 } });
    await turns();
    expect(hub.patches.map(({ patch }) => patch)).toEqual([
      { a: 2, deep: { x: 1, list: [{ y: 1 }] } },
      { b: 1, deep: { x: null, z: 2 } },
    ]);
  });

  it('of others are left alone, and what the device takes back goes, also where it was reported by a life before', async () => {
    hub.reported = { foreign: 1, old: { x: 1 }, a: { stale: 1 } };
    const twin = open();
    twin.report({ old: null, a: { b: 1 } });
    await connect(twin);
    expect(hub.reported).toEqual({ foreign: 1, a: { b: 1 } });
  });

  it('go again to a twin made anew', async () => {
    const twin = open();
    twin.report({ a: 1 });
    await connect(twin);
    hub.recreate({});
    await connect(twin);
    expect(hub.reported).toEqual({ a: 1 });
  });

  it('wait as long as the hub asks for, and go one by one where it refuses, so that only the bad one is dropped', async () => {
    const clock = new ManualClock();
    const twin = open({ clock });
    hub.fates.push('busy');
    twin.report({ good: 1 });
    await connect(twin);
    expect(hub.patches).toEqual([]);
    await clock.advance(1_000);
    expect(hub.reported).toEqual({ good: 1 });
    hub.fates.push('refused', 'taken', 'refused');
    twin.report({ bad: 1, good: 2 });
    await turns();
    expect(hub.reported).toEqual({ good: 2 });
    expect(errors()).toEqual(['status 400 Keep to the limits.']);
    twin.report({ good: 3 });
    await turns();
    expect(hub.patches.at(-1)?.patch).toEqual({ good: 3 });
  });

  const depth = (levels: number): object => (levels === 0 ? { property: 1 } : { level: depth(levels - 1) });

  it.each([
    ['a dot in a name', { ok: 1, a: { 'not.allowed': 1 } }, /a\.not\.allowed can't go.*control character/],
    ['a dollar', { $a: 1 }, /\$a can't go/],
    ['a name too long', { ['n'.repeat(1025)]: 1 }, /its name has 1025 bytes/],
    ['an empty name', { '': 1 }, /its name has 0 bytes/],
    ['too deep', depth(11), /level\.level.*deeper than 10 levels/],
    ['a text too long', { a: ['x', 'x'.repeat(4097)] }, /a\[1\] can't go.*4097 bytes and 4096/],
    ['an integer too large', { a: { b: 2 ** 52 } }, /a\.b can't go.*4503599627370496 is outside/],
    ['not a number', { a: Number.NaN }, /a can't go.*NaN is no JSON number/],
    ['no JSON', { a: 1n }, /a can't go.*a bigint is no JSON value/],
    [
      'too much',
      Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`a${index}`, 'x'.repeat(4096)])),
      /bytes and 32768 are allowed/,
    ],
  ])('fail: %s', (_, patch, message) => {
    const twin = open();
    expect(() => twin.report(patch as Record<string, unknown>)).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_TWIN', message: expect.stringMatching(message) }),
    );
    expect(store.get('reported')).toBeUndefined();
  });

  it('ok: what JSON makes of values, at the edge of the limits', async () => {
    const twin = open();
    const at = new Date('2026-01-01T00:00:00Z');
    twin.report({
      at,
      none: undefined,
      ...depth(10),
      least: -(2 ** 52),
      most: 2 ** 52 - 1,
      half: 0.5,
    });
    await connect(twin);
    expect(hub.reported).toEqual({
      at: at.toISOString(),
      ...depth(10),
      least: -(2 ** 52),
      most: 2 ** 52 - 1,
      half: 0.5,
    });
  });
});

describe('a twin with schemas', () => {
  const validate = new Ajv().compile<{ fan: 'on' | 'off' }>({
    type: 'object',
    required: ['fan'],
    properties: { fan: { enum: ['on', 'off'] } },
  });
  const thermostat = defineTwin({
    desired: { target: z.number().min(5).max(30), mode: jsonSchema(validate) },
    reported: { firmware: z.string(), uptime: z.object({ seconds: z.number() }) },
  });

  it('applies what fits and acknowledges the rest with 400 and the reason', async () => {
    const seen: unknown[] = [];
    await connect(
      open({
        onDesired: thermostat.onDesired(({ properties, desired }) => {
          // Types come from the schemas: these lines would not compile otherwise.
          const target: number | null | undefined = properties.target;
          const fan: 'on' | 'off' | undefined = desired.mode?.fan;
          seen.push({ target, fan, properties });
          return { mode: { value: desired.mode } };
        }),
      }),
    );
    hub.patchDesired({ target: 99, mode: { fan: 'on' }, unknown: 1 });
    await turns();
    expect(seen).toEqual([{ target: undefined, fan: 'on', properties: { mode: { fan: 'on' } } }]);
    expect(hub.reported).toEqual({
      mode: { value: { fan: 'on' }, ac: 200, av: 2 },
      target: { value: 99, ac: 400, av: 2, ad: expect.stringMatching(/expected number to be <=30 \(found 99\)/) },
    });
    hub.patchDesired({ target: 'hot' });
    hub.patchDesired({ mode: null, target: null });
    await turns();
    expect(seen.at(-1)).toMatchObject({ properties: { target: null, mode: null } });
    expect(seen).toHaveLength(2);
    expect(hub.reported).toMatchObject({ target: { value: 'hot', ac: 400, av: 3 } });
  });

  it('keeps the refusal where the handler fails for the others', async () => {
    await connect(
      open({
        onDesired: thermostat.onDesired(() => {
          throw new Error('fan is missing');
        }),
      }),
    );
    hub.patchDesired({ target: 99, mode: { fan: 'on' } });
    await turns();
    expect(hub.reported).toMatchObject({ target: { ac: 400 }, mode: { ac: 500, ad: 'fan is missing' } });
  });

  it('checks what is reported', () => {
    expect(thermostat.reported({ firmware: '1.2', uptime: null })).toEqual({ firmware: '1.2', uptime: null });
    // @ts-expect-error -- the schema says text
    const wrongType = (): unknown => thermostat.reported({ firmware: 3 });
    expect(wrongType).toThrow(
      expect.objectContaining({
        code: 'ERR_AGENT_TWIN',
        message: expect.stringMatching(/Reported property firmware doesn't fit: .*expected string.*\(found 3\)/),
      }),
    );
    // @ts-expect-error -- no such property
    const unknown = (): unknown => thermostat.reported({ temperature: 3 });
    expect(unknown).toThrow(/temperature doesn't fit: it has no schema/);
    const slow = defineTwin({
      desired: {},
      reported: { a: z.string().refine(async (text) => Promise.resolve(text !== '')) },
    });
    expect(() => slow.reported({ a: 'x' })).toThrow(TypeError);
  });
});
