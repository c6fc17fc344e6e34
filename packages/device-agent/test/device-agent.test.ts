import { putIndividualEnrollment } from '@contoso/dps-admin';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { CloudToDeviceMessage, DesiredChange, DeviceAgentOptions, DeviceIdentity } from '../src/index.ts';
import { dpsName, issueIdentity, startContoso, statuses, watchedAgent, type Contoso, type Watched } from './contoso.ts';

let contoso: Contoso;
const started: Watched[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  for (const { agent } of started.splice(0)) await agent.stop(0);
});

afterAll(() => contoso.close());

const start = async (identity: DeviceIdentity, options: Partial<DeviceAgentOptions> = {}): Promise<Watched> => {
  const watched = watchedAgent(contoso, identity, options);
  started.push(watched);
  await watched.agent.start();
  return watched;
};

const patchDesired = (deviceId: string, desired: Record<string, unknown>): void =>
  void contoso.hub.updateTwin(deviceId, { properties: { desired } } as never, {
    mode: 'patch',
    precondition: undefined as never,
  });

describe('an agent on its way', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)('provisions and sends over %s', async (transport) => {
    const identity = await issueIdentity(contoso, `first-${transport}`);
    const { agent, events } = await start(identity, { transport });
    const messageId = await agent.send({ body: { temperature: 31 }, properties: { temperatureAlert: 'true' } });
    await agent.flush();
    const message = contoso.hub.telemetry
      .list()
      .find(({ systemProperties }) => systemProperties['message-id'] === messageId);
    expect(message).toMatchObject({
      deviceId: `first-${transport}`,
      systemProperties: { 'content-type': 'application/json', 'content-encoding': 'utf-8' },
      applicationProperties: { temperatureAlert: 'true' },
    });
    expect(JSON.parse(Buffer.from(message!.body).toString())).toEqual({ temperature: 31 });
    const types = events.map(({ type }) => type).filter((type) => type !== 'transition');
    expect(types.slice(0, 4)).toEqual(['provisioning', 'provisioned', 'connecting', 'status']);
    expect(agent.state).toEqual({ status: 'Connected', reason: 'ConnectionOk', recommendedAction: 'PerformNormally' });
  });

  it('goes by the name that DPS gives it, case and all', async () => {
    const registrationId = 'named-by-dps';
    const identity = await issueIdentity(contoso, registrationId);
    const { chainPem: certificatePem } = identity;
    await putIndividualEnrollment(contoso.session, {
      ...{ dpsName, registrationId, certificatePem },
      deviceId: 'Name-At-The-Hub',
    });
    const { agent } = await start(identity);
    await agent.send({ body: { case: 'kept' } });
    await agent.flush();
    expect(bodiesOf('Name-At-The-Hub')).toEqual([{ case: 'kept' }]);
  });

  it('goes straight to the hub the second time', async () => {
    const identity = await issueIdentity(contoso, 'restarted');
    const first = await start(identity);
    await first.agent.stop();
    const second = await start(identity);
    expect(contoso.azure.dps(dpsName).registerCalls('restarted')).toBe(1);
    expect(second.events.find(({ type }) => type !== 'transition')).toMatchObject({
      type: 'connecting',
      isKept: true,
      deviceId: 'restarted',
    });
  });

  it('sends what was given to it before it was connected, in order', async () => {
    const identity = await issueIdentity(contoso, 'early');
    const watched = watchedAgent(contoso, identity);
    started.push(watched);
    const starting = watched.agent.start();
    for (let number = 0; number < 40; number += 1) await watched.agent.send({ body: { number } });
    await starting;
    await watched.agent.flush();
    expect(bodiesOf('early')).toEqual(Array.from({ length: 40 }, (_, number) => ({ number })));
  });

  it('reconnects after a cut, and loses nothing and changes no order', async () => {
    const identity = await issueIdentity(contoso, 'cut');
    const { agent, events, next } = await start(identity);
    for (let number = 0; number < 30; number += 1) {
      if (number === 10) contoso.hub.dropConnection('cut');
      await agent.send({ body: { number } });
    }
    await next('retry');
    await agent.flush();
    // What the hub has twice counts when it came first.
    const numbers = new Set(bodiesOf('cut').map(({ number }) => number));
    expect([...numbers]).toEqual(Array.from({ length: 30 }, (_, number) => number));
    expect(statuses(events)).toEqual(['Connected', 'DisconnectedRetrying', 'Connected']);
  });

  it.each(['mqtt', 'mqtt-websocket'] as const)('notices at once that %s was cut', async (transport) => {
    const { next } = await start(await issueIdentity(contoso, `noticing-${transport}`), { transport });
    contoso.hub.dropConnection(`noticing-${transport}`);
    await next('retry');
  });

  it('registers anew when its hub no longer knows it', async () => {
    const identity = await issueIdentity(contoso, 'forgotten');
    const { agent, next } = await start(identity);
    contoso.hub.remove('forgotten');
    await next('provisioning', ({ reason }) => /refused forgotten/.test(reason));
    await agent.send({ body: {} });
    await agent.flush();
    expect(contoso.azure.dps(dpsName).registerCalls('forgotten')).toBe(2);
  });
});

describe('cloud-to-device messages', () => {
  const send = (deviceId: string, text: string): string =>
    contoso.hub.sendToDevice(deviceId, {
      body: Buffer.from(text),
      ack: 'positive',
      correlationId: 'c 1',
      contentType: 'text/plain',
      properties: { 'name with / and =': 'ä&b', empty: '' },
    }).messageId;

  it('arrive whole, and are completed at the hub', async () => {
    const received: CloudToDeviceMessage[] = [];
    const { next } = await start(await issueIdentity(contoso, 'reader'), {
      onMessage: (message) => void received.push(message),
    });
    const messageId = send('reader', 'hello');
    await next('message-completed', (event) => event.messageId === messageId);
    expect(received).toEqual([
      {
        messageId,
        correlationId: 'c 1',
        contentType: 'text/plain',
        contentEncoding: undefined,
        properties: expect.objectContaining({ 'name with / and =': 'ä&b', empty: '' }),
        body: Buffer.from('hello'),
      },
    ]);
    const feedback = await contoso.hub.feedback.waitFor((record) => record.originalMessageId === messageId, {
      timeoutMs: 10_000,
    });
    expect(feedback).toMatchObject({ statusCode: 'Success' });
  });

  it('are handed over again after a restart where the handler failed', async () => {
    const identity = await issueIdentity(contoso, 'stubborn');
    const first = await start(identity, {
      onMessage: () => {
        throw new Error('not now');
      },
    });
    const messageId = send('stubborn', 'again');
    await first.next('handler-failed');
    await first.agent.stop();
    const received: string[] = [];
    const second = await start(identity, { onMessage: ({ body }) => void received.push(body.toString()) });
    await second.next('message-completed', (event) => event.messageId === messageId);
    expect(received).toEqual(['again']);
  });

  it('wait in the hub while the device is away', async () => {
    const identity = await issueIdentity(contoso, 'away');
    const first = await start(identity);
    // The subscription has to be made once: the hub keeps it for the session.
    await first.next('subscribed');
    await first.agent.stop();
    const messageId = send('away', 'later');
    const second = await start(identity);
    await second.next('message-completed', (event) => event.messageId === messageId);
  });
});

describe('direct methods', () => {
  it('are answered, with the handler’s status or with 500 where it throws', async () => {
    const { agent } = await start(await issueIdentity(contoso, 'doer'), {
      methods: {
        add: (payload) => ({ status: 201, payload: { sum: (payload as number[]).reduce((a, b) => a + b) } }),
        fail: () => {
          throw new Error('no such luck');
        },
      },
    });
    const call = (methodName: string, payload: never): unknown =>
      contoso.hub.invokeMethod('doer', { methodName, payload, responseTimeoutSeconds: 10, connectTimeoutSeconds: 10 });
    await expect(call('add', [1, 2, 3] as never)).resolves.toEqual({ status: 201, payload: { sum: 6 } });
    await expect(call('fail', null as never)).resolves.toEqual({ status: 500, payload: { error: 'no such luck' } });
    expect(agent.state.status).toBe('Connected');
  });
});

describe('the twin', () => {
  it('brings each desired change once, also over a restart', async () => {
    const identity = await issueIdentity(contoso, 'twin');
    const changes: DesiredChange[] = [];
    const watching = { onDesired: (change: DesiredChange) => void changes.push(change) };
    const seen = async ({ agent, next }: Watched, count: number): Promise<void> => {
      await next('desired-handled', ({ version }) => version === count);
      await agent.stop();
    };
    const first = await start(identity, watching);
    patchDesired('twin', { target: 20, mode: { fan: 'on', light: 'off' } });
    patchDesired('twin', { target: 21 });
    await seen(first, 3);
    patchDesired('twin', { mode: { light: null } });
    await seen(await start(identity, watching), 4);
    patchDesired('twin', { target: 22 });
    await seen(await start(identity, watching), 5);
    const merged = changes.reduce<Record<string, unknown>>((all, { properties }) => ({ ...all, ...properties }), {});
    expect(changes.slice(-2).map(({ properties }) => properties)).toEqual([{ mode: { light: null } }, { target: 22 }]);
    expect(changes.at(-1)?.desired).toEqual({ target: 22, mode: { fan: 'on' } });
    expect(new Set(changes.map(({ version }) => version)).size).toBe(changes.length);
    expect(merged).toEqual({ target: 22, mode: { light: null } });
  });

  it('acknowledges with value, ac, av and ad', async () => {
    const { next } = await start(await issueIdentity(contoso, 'acknowledging'), {
      onDesired: ({ properties }) => ({ target: { value: properties['target'], code: 200, description: 'done' } }),
    });
    patchDesired('acknowledging', { target: 22 });
    await next('reported', ({ properties }) => 'target' in properties);
    expect(reportedOf('acknowledging')).toMatchObject({ target: { value: 22, ac: 200, av: 2, ad: 'done' } });
  });

  it('acknowledges with 500 where the handler throws, and goes on', async () => {
    const { next } = await start(await issueIdentity(contoso, 'throwing'), {
      onDesired: ({ properties }) => {
        if (properties['target'] === 1) throw new Error('too cold');
        return { target: { value: properties['target'] } };
      },
    });
    patchDesired('throwing', { target: 1 });
    await next('reported', ({ properties }) => 'target' in properties);
    expect(reportedOf('throwing')).toMatchObject({ target: { ac: 500, ad: 'too cold' } });
    patchDesired('throwing', { target: 2 });
    await next('reported', ({ properties }) => (properties['target'] as { ac?: number } | undefined)?.ac === 200);
    expect(reportedOf('throwing')).toMatchObject({ target: { value: 2, ac: 200, av: 3 } });
  });

  it('keeps reported properties while offline', async () => {
    const identity = await issueIdentity(contoso, 'reporting');
    const first = await start(identity);
    await first.agent.stop();
    const offline = watchedAgent(contoso, identity, {
      connectTo: { hostName: 'nowhere.localhost:9', deviceId: 'reporting' },
    });
    const failed = offline.agent.start().catch((error: unknown) => error);
    offline.agent.report({ firmware: '1.0', old: 1 });
    offline.agent.report({ firmware: '1.1', old: null });
    await offline.next('retry');
    await offline.agent.stop(0);
    await failed;
    const second = await start(identity);
    await second.next('reported');
    expect(reportedOf('reporting')).toMatchObject({ firmware: '1.1' });
  });
});

/** Telemetry bodies of a device, in the order in which the hub got them. */
function bodiesOf(deviceId: string): Record<string, unknown>[] {
  return contoso.hub.telemetry
    .list()
    .filter((message) => message.deviceId === deviceId)
    .map(({ body }) => JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>);
}

function reportedOf(deviceId: string): unknown {
  return (contoso.hub.twinOf(deviceId) as { properties: { reported: unknown } } | undefined)?.properties.reported;
}
