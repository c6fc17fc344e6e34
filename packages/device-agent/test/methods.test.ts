import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { z } from 'zod';
import { defineMethod, jsonSchema, type MethodDefinitions } from '../src/index.ts';
import { createMethods } from '../src/methods/methods.ts';
import { ManualClock } from './manual-clock.ts';
import { turns } from './model-hub.ts';

const never = new AbortController().signal;

async function call(
  methods: MethodDefinitions,
  name: string,
  payload: unknown,
  signal = never,
): Promise<{ status: number; payload: unknown }> {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const answer = await createMethods(methods).answer(name, Buffer.from(body), signal);
  return { status: answer.status, payload: JSON.parse(answer.payload.toString()) };
}

const reboot = z.object({
  delaySeconds: z.number().int().max(60),
  zones: z.array(z.object({ id: z.string() })).default([]),
});

describe('direct methods', () => {
  it('ok: a function, and a definition whose payload has the type and the defaults of its schema', async () => {
    const methods = {
      plain: () => ({ status: 200 }),
      echo: (payload: unknown) => ({ status: 207, payload }),
      reboot: defineMethod({
        schema: reboot,
        handle: ({ delaySeconds, zones }) => ({
          status: 202,
          payload: { inMs: delaySeconds * 1000, zones: zones.length },
        }),
      }),
    };
    await expect(call(methods, 'plain', '')).resolves.toEqual({ status: 200, payload: null });
    await expect(call(methods, 'echo', { a: [1] })).resolves.toEqual({ status: 207, payload: { a: [1] } });
    await expect(call(methods, 'reboot', { delaySeconds: 5 })).resolves.toEqual({
      status: 202,
      payload: { inMs: 5_000, zones: 0 },
    });
  });

  it('fail: a payload that breaks its schema is told where, what was expected and what was found', async () => {
    const answer = await call({ reboot: defineMethod({ schema: reboot, handle: () => ({ status: 200 }) }) }, 'reboot', {
      delaySeconds: 'soon',
      zones: [{ id: 'a' }, {}],
    });
    expect(answer.status).toBe(400);
    expect(answer.payload).toEqual({
      error: expect.stringMatching(
        /payload of reboot doesn't fit: delaySeconds: .*number.*\(found "soon"\); zones\.1\.id: /,
      ),
      issues: [
        { path: 'delaySeconds', expected: expect.stringMatching(/expected number/), found: '"soon"' },
        { path: 'zones.1.id', expected: expect.stringMatching(/expected string/), found: 'nothing' },
      ],
    });
  });

  it('fail: the same with a JSON schema', async () => {
    const validate = new Ajv({ allErrors: true }).compile<{ 'a/b': number; c: string }>({
      type: 'object',
      required: ['c'],
      additionalProperties: false,
      properties: { 'a/b': { type: 'integer' }, c: { type: 'string' } },
    });
    const set = defineMethod({
      schema: jsonSchema(validate),
      handle: (payload) => ({ status: 200, payload: payload.c.length }),
    });
    await expect(call({ set }, 'set', { c: 'abc' })).resolves.toEqual({ status: 200, payload: 3 });
    const { status, payload } = await call({ set }, 'set', { 'a/b': 1.5, d: 1 });
    expect(status).toBe(400);
    expect((payload as { issues: unknown[] }).issues).toEqual([
      { path: 'c', expected: "must have required property 'c'", found: 'nothing' },
      { path: 'd', expected: 'must NOT have additional properties', found: '1' },
      { path: 'a/b', expected: 'must be integer', found: '1.5' },
    ]);
  });

  it('fail: no more than ten issues, and values cut short', async () => {
    const many = defineMethod({ schema: z.array(z.number()), handle: () => ({ status: 200 }) });
    const { payload } = await call(
      { many },
      'many',
      Array.from({ length: 500 }, () => 'x'.repeat(500)),
    );
    const { issues } = payload as { issues: { found: string }[] };
    expect(issues).toHaveLength(10);
    expect(issues[0]?.found).toHaveLength(103);
  });

  it.each([
    ['there is no such method', 'constructor', '{}', 404, /no method constructor on this device/],
    ['not JSON', 'plain', '{a', 400, /payload of plain is not JSON/],
    ['the handler throws', 'throws', '', 500, /^valve is stuck$/],
    ['a status that is none', 'status', '', 500, /gave status NaN; a whole number is needed/],
    ['not serialisable', 'cyclic', '', 500, /result of cyclic can't be written as JSON/],
    ['a function', 'code', '', 500, /result of code can't be written as JSON/],
    ['too large', 'large', '', 500, /result of large has 131074 bytes; IoT Hub takes 131072/],
  ])('fail: %s', async (_, name, payload, status, error) => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const methods = {
      plain: () => ({ status: 200 }),
      throws: () => {
        throw new Error('valve is stuck');
      },
      status: () => ({ status: Number('x') }),
      cyclic: () => ({ status: 200, payload: cyclic }),
      code: () => ({ status: 200, payload: () => 1 }),
      large: () => ({ status: 200, payload: 'x'.repeat(131_072) }),
    };
    await expect(call(methods, name, payload)).resolves.toEqual({
      status,
      payload: { error: expect.stringMatching(error) },
    });
  });

  it('fail: a handler that takes too long is answered with 504, and its signal fires', async () => {
    const clock = new ManualClock();
    const signals: AbortSignal[] = [];
    const hang = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const methods = createMethods({ hang, quick: { timeoutMs: 1_000, handle: hang } }, clock);
    const slow = methods.answer('hang', Buffer.from(''), never);
    const quick = methods.answer('quick', Buffer.from(''), never);
    await turns(2);
    await clock.advance(1_000);
    const answer = await quick;
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.payload.toString())).toEqual({
      error: expect.stringMatching(/Method quick took longer than 1 s/),
    });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true]);
    await clock.advance(299_000);
    expect((await slow).status).toBe(504);
  });

  it('answers calls beside each other, and none when the connection has ended', async () => {
    const session = new AbortController();
    const signals: AbortSignal[] = [];
    let release: () => void = () => undefined;
    const methods = createMethods({
      wait: async (_, { signal }) => {
        signals.push(signal);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return { status: 200 };
      },
      now: () => ({ status: 200 }),
    });
    const waiting = methods.answer('wait', Buffer.from(''), session.signal);
    await expect(methods.answer('now', Buffer.from(''), session.signal)).resolves.toMatchObject({ status: 200 });
    const lost = new Error('connection lost');
    session.abort(lost);
    await expect(waiting).rejects.toBe(lost);
    expect(signals[0]?.reason).toBe(lost);
    release();
    await expect(methods.answer('now', Buffer.from(''), session.signal)).rejects.toBe(lost);
  });
});
