import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { type Issued, issue } from './dps-certificates.ts';
import { type DeviceCredentials, type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callServiceApi } from './dps-wire.ts';

describe('DPS’s device API over MQTT, byte for byte', () => {
  let fixture: DpsFixture;
  let line: Issued;
  let device: DeviceCredentials;
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    fixture = await startDpsFixture({ registrationRetryAfterSeconds: 3 });
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
    await callServiceApi(fixture, { method: 'PUT', path: '/enrollmentGroups/line', body: groupOf('line', line) });
    device = await issueDevice('raw', [line]);
  });
  afterAll(async () => {
    for (const client of clients) client.end(true);
    await fixture.emulator.close();
  });

  const open = (options: IClientOptions = {}): MqttClient => {
    const settings: IClientOptions & { readonly servername: string } = {
      protocol: 'mqtts',
      host: '127.0.0.1',
      port: fixture.emulator.mqttPort,
      servername: 'global.azure-devices-provisioning.localhost',
      ca: fixture.emulator.cloud.trustedRootsPem,
      cert: device.cert,
      key: device.key,
      clientId: 'raw',
      username: `${fixture.idScope}/registrations/raw/api-version=2019-03-31`,
      reconnectPeriod: 0,
      ...options,
    };
    const client = connect(settings);
    client.on('error', () => undefined);
    clients.push(client);
    return client;
  };
  const subscribe = (client: MqttClient, filter: string, qos: 0 | 1 | 2): Promise<number | undefined> =>
    new Promise((resolve) => client.subscribe(filter, { qos }, (_error, granted) => resolve(granted[0]?.qos)));
  const ask = async (client: MqttClient, topic: string, body: string): Promise<{ topic: string; body: unknown }> => {
    const answered = once(client, 'message') as Promise<[string, Buffer]>;
    client.publish(topic, body, { qos: 1 });
    const [answer, payload] = await answered;
    return { topic: answer, body: JSON.parse(payload.toString()) as unknown };
  };
  const register = '$dps/registrations/PUT/iotdps-register/?$rid=';

  it('ok: the granted quality of service, the request ID as it was sent, 202 with retry-after, then 200', async () => {
    const client = open();
    await once(client, 'connect');
    expect([
      await subscribe(client, '$dps/registrations/res/#', 2),
      await subscribe(client, '$dps/registrations/#', 1),
    ]).toEqual([1, 0x80]);
    const accepted = await ask(client, `${register}a%2fB-1`, '{"registrationId":"raw"}');
    expect(accepted).toEqual({
      topic: '$dps/registrations/res/202/?$rid=a%2fB-1&retry-after=3',
      body: { operationId: expect.any(String), status: 'assigning' },
    });
    const { operationId } = accepted.body as { operationId: string };
    const poll = `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${operationId}`;
    expect(await ask(client, poll, '')).toMatchObject({
      topic: '$dps/registrations/res/200/?$rid=2',
      body: { status: 'assigned', registrationState: { assignedHub: fixture.hubHost } },
    });
    for (let count = 0; count < 4; count += 1) await ask(client, poll, '');
    expect((await ask(client, poll, '')).topic).toMatch(/^\$dps\/registrations\/res\/429\/\?\$rid=2&retry-after=\d+$/);
    expect(await ask(client, `${register}3`, 'not json')).toMatchObject({
      topic: '$dps/registrations/res/400/?$rid=3',
      body: { errorCode: 400004 },
    });
    expect((await ask(client, poll.replace(/operationId=.*/, 'operationId=x'), '')).topic).toContain('/429/');
    client.end();
  });

  it('ok: without a client certificate the connection is good, and the answer to the registration is not', async () => {
    const client = open({ cert: '', key: '' });
    await once(client, 'connect');
    await subscribe(client, '$dps/registrations/res/#', 1);
    expect(await ask(client, `${register}1`, '{"registrationId":"raw"}')).toMatchObject({
      topic: '$dps/registrations/res/401/?$rid=1',
      body: { errorCode: 401002, message: 'Unauthorized' },
    });
    client.end();
  });

  it('fail: a client ID that is not the registration ID is refused, a topic that DPS does not know ends the connection', async () => {
    const stranger = open({ clientId: 'another' });
    const [error] = (await once(stranger, 'error').catch((cause: unknown) => [cause])) as [{ code?: number }];
    expect(error.code).toBe(2);
    const client = open();
    await once(client, 'connect');
    client.publish('$dps/registrations/DELETE/', '', { qos: 1 });
    await once(client, 'close');
    expect(client.connected).toBe(false);
  });
});
