import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { defineMethod, defineTwin, systemClock, type DeviceAgentOptions, type MessageContext } from '../src/index.ts';
import { issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';

// Commands and twin of whole agents against the emulator, with its faults; random faults are in the property tests.

let contoso: Contoso;
const started: Watched[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  contoso.azure.faults.clear();
  for (const { agent } of started.splice(0)) await agent.stop(0);
});

afterAll(() => contoso.close());

const start = async (deviceId: string, options: Partial<DeviceAgentOptions> = {}): Promise<Watched> => {
  const watched = watchedAgent(contoso, await issueIdentity(contoso, deviceId), options);
  started.push(watched);
  await watched.agent.start();
  await watched.next('subscribed');
  return watched;
};

const patchDesired = (deviceId: string, desired: Record<string, unknown>): void =>
  void contoso.hub.updateTwin(deviceId, { properties: { desired } } as never, {
    mode: 'patch',
    precondition: undefined as never,
  });

const reported = (deviceId: string): Record<string, unknown> => {
  const { properties } = contoso.hub.twinOf(deviceId) as unknown as {
    properties: { reported: Record<string, unknown> };
  };
  // What the agent itself says of its certificate is not the application's.
  const { $metadata: _, $version: __, certificate: ___, ...own } = properties.reported;
  return own;
};

describe('cloud-to-device messages', () => {
  it('reach the handler once where the acknowledgement is lost, and the hub is told with the next session', async () => {
    const calls: MessageContext[] = [];
    const { next } = await start('c2d-once', { onMessage: (_, context) => void calls.push(context) });
    const fault = { kind: 'messageLost', message: 'cloudToDevice', loss: 'acknowledgement', times: 1 } as const;
    contoso.azure.faults.add(fault);
    const { messageId } = contoso.hub.sendToDevice('c2d-once', { body: Buffer.from('unlock'), ack: 'positive' });
    await next('message-completed');
    contoso.azure.faults.add({ kind: 'drop', deviceId: 'c2d-once', times: 1 });
    await next('message-repeated', (event) => event.messageId === messageId);
    const feedback = await contoso.hub.feedback.waitFor((record) => record.originalMessageId === messageId, {
      timeoutMs: 10_000,
    });
    expect(feedback?.statusCode).toBe('Success');
    expect(calls).toMatchObject([{ attempt: 1, isRepeated: false }]);
  });

  it('that failed come again on the same connection', async () => {
    const attempts: number[] = [];
    const { next } = await start('c2d-again', {
      // The wait between the two.
      clock: { ...systemClock, delay: (ms, signal) => systemClock.delay(ms === 1_000 ? 0 : ms, signal) },
      onMessage: (_, { attempt }) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Error('not now');
      },
    });
    const { messageId } = contoso.hub.sendToDevice('c2d-again', { body: Buffer.from('again'), ack: 'positive' });
    await next('handler-failed');
    await next('message-completed');
    await contoso.hub.feedback.waitFor((record) => record.originalMessageId === messageId, { timeoutMs: 10_000 });
    expect(attempts).toEqual([1, 2]);
  });
});

describe('direct methods', () => {
  it('answer their caller, whatever the call', async () => {
    await start('methods', {
      methods: {
        reboot: defineMethod({
          schema: z.object({ delaySeconds: z.number() }),
          handle: ({ delaySeconds }) => ({ status: 202, payload: delaySeconds * 1000 }),
        }),
      },
    });
    const invoke = (methodName: string, payload: unknown): Promise<unknown> =>
      contoso.hub.invokeMethod('methods', {
        methodName,
        payload: payload as never,
        responseTimeoutSeconds: 10,
        connectTimeoutSeconds: 0,
      });
    await expect(invoke('reboot', { delaySeconds: 2 })).resolves.toMatchObject({ status: 202, payload: 2_000 });
    await expect(invoke('reboot', { delaySeconds: '2' })).resolves.toMatchObject({
      status: 400,
      payload: { issues: [{ path: 'delaySeconds', found: '"2"' }] },
    });
    await expect(invoke('shutdown', null)).resolves.toMatchObject({ status: 404 });
  });
});

describe('the twin', () => {
  it('with schemas: what fits is applied, the rest acknowledged with 400', async () => {
    const twin = defineTwin({
      desired: { target: z.number(), fan: z.enum(['on', 'off']) },
      reported: { firmware: z.string() },
    });
    const { agent, next } = await start('twin-schemas', {
      onDesired: twin.onDesired(({ properties }) => ({ fan: { value: properties.fan } })),
    });
    agent.report(twin.reported({ firmware: '1.2' }));
    patchDesired('twin-schemas', { target: 'hot', fan: 'on' });
    await next('reported', ({ properties }) => 'fan' in properties);
    expect(reported('twin-schemas')).toEqual({
      firmware: '1.2',
      fan: { value: 'on', ac: 200, av: 2 },
      target: { value: 'hot', ac: 400, av: 2, ad: expect.stringMatching(/expected number.*found "hot"/) },
    });
  });

  it('goes on where the application leaves no room for what the agent itself reports', async () => {
    const watched = watchedAgent(contoso, await issueIdentity(contoso, 'twin-full'), {});
    started.push(watched);
    const connected = watched.agent.start();
    const properties = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`part${index}`, 'x'.repeat(4_080)]));
    watched.agent.report(properties);
    await connected;
    const { error } = await watched.next('twin-failed');
    expect(error).toMatchObject({ code: 'ERR_AGENT_TWIN', message: expect.stringContaining('bytes') });
    await watched.next('reported');
    expect(reported('twin-full')).toEqual(properties);
  });

  it('waits while the hub throttles, and looks again where it failed', async () => {
    const { agent, next, events } = await start('twin-busy', {
      clock: {
        now: () => new Date(),
        // Pauses are skipped; what bounds answers and handlers never ends.
        delay: (milliseconds, signal) =>
          new Promise((resolve, reject) => {
            const onAbort = (): void => reject(signal.reason as Error);
            signal.addEventListener('abort', onAbort, { once: true });
            if (milliseconds >= 20_000) return;
            setImmediate(() => {
              signal.removeEventListener('abort', onAbort);
              resolve();
            });
          }),
      },
    });
    await next('desired-handled');
    await next('reported', ({ properties }) => 'certificate' in properties);
    contoso.azure.faults.add({ kind: 'throttle', deviceId: 'twin-busy', times: 2 });
    contoso.azure.faults.add({ kind: 'serverError', status: 503, deviceId: 'twin-busy', times: 1 });
    agent.report({ a: 1 });
    agent.report({ a: 2, b: { c: 1 } });
    await next('reported', ({ properties }) => 'a' in properties);
    expect(reported('twin-busy')).toEqual({ a: 2, b: { c: 1 } });
    expect(events.filter((event) => event.type === 'reported' && 'a' in event.properties)).toHaveLength(1);
  });
});
