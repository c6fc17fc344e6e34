import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate, type Packet } from 'mqtt-packet';
import { serveMqtt } from '../src/mqtt/connection.ts';
import type { MqttClient, MqttConnect, MqttService, MqttSession } from '../src/mqtt/service.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import { RawClient } from './mqtt-raw-client.ts';

type Publish = Parameters<MqttSession['publish']>[0];

/** A service of the smallest kind: it notes what reaches it and does what the test wants. */
class Recorder implements MqttService {
  readonly events: string[] = [];
  client: MqttClient | undefined;
  onPublish: (packet: Publish) => Promise<void> = () => Promise.resolve();
  onConnect: (connect: MqttConnect) => Promise<void> = () => Promise.resolve();

  accepts(username: string): boolean {
    return username === 'user';
  }

  async connect(connect: MqttConnect, client: MqttClient): Promise<MqttSession | { refusal: 4; reason: string }> {
    this.client = client;
    await this.onConnect(connect);
    if (connect.clientId === 'refused') return { refusal: 4, reason: 'not you' };
    const note = (event: string): void => void this.events.push(event);
    return {
      sessionPresent: !connect.cleanSession,
      opened: () => note('opened'),
      subscribe: (topicFilter, qos) => (topicFilter === 'forbidden' ? { refusal: 'forbidden' } : qos === 0 ? 0 : 1),
      subscribed: (topicFilter) => note(`subscribed ${topicFilter}`),
      unsubscribe: (topicFilter) => note(`unsubscribed ${topicFilter}`),
      publish: (packet) => {
        note(`publish ${packet.topic} ${packet.qos} ${Buffer.from(packet.payload).toString()}`);
        return this.onPublish(packet);
      },
      closed: (graceful) => note(`closed ${graceful}`),
    };
  }
}

let server: Server;

beforeAll(async () => {
  server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

const clients: RawClient[] = [];

afterAll(() => {
  for (const client of clients) client.destroy();
  server.close();
});

async function serve(service: MqttService = new Recorder()) {
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const clientSide = connectTcp((server.address() as AddressInfo).port, '127.0.0.1');
  const [serverSide] = await accepted;
  const log: string[] = [];
  const clock = new FakeClock();
  serveMqtt({
    stream: serverSide,
    presentedChain: [],
    mqttServices: [service],
    log: (line) => log.push(line),
    now: clock.now,
    startTimer: clock.startTimer,
  });
  const client = new RawClient(clientSide);
  clients.push(client);
  return { client, serverSide, log, clock };
}

const asUser = { clientId: 'd1', username: 'user' };

async function connected(service = new Recorder()) {
  const opened = { service, ...(await serve(service)) };
  await opened.client.connect(asUser);
  return opened;
}

describe('CONNECT', () => {
  it('ok: session-present is what the session says', async () => {
    const { client } = await serve();
    await expect(client.connect({ ...asUser, clean: false })).resolves.toMatchObject({
      returnCode: 0,
      sessionPresent: true,
    });
  });

  it('ok: the service gets all of the packet', async () => {
    const service = new Recorder();
    let seen: MqttConnect | undefined;
    service.onConnect = (connect) => {
      seen = connect;
      return Promise.resolve();
    };
    const { client } = await serve(service);
    await client.connect({
      ...asUser,
      password: Buffer.from('secret'),
      keepalive: 30,
      will: { topic: 'w', payload: Buffer.from('gone'), qos: 1, retain: false },
    });
    expect(seen).toMatchObject({ clientId: 'd1', username: 'user', cleanSession: true, keepAliveSeconds: 30 });
    expect(Buffer.from(seen!.password!).toString()).toBe('secret');
    expect(seen!.will).toEqual({ topic: 'w', payload: Buffer.from('gone') });
  });

  it.each([
    ['a service that refuses', { clientId: 'refused', username: 'user' }, 4, 'not you'],
    ['a user name that no service takes', { clientId: 'd1', username: 'x' }, 5, "no service behind the user name 'x'"],
    ['MQTT 5', { ...asUser, protocolVersion: 5 as const }, 1, 'level 5 found'],
    ['MQTT 3.1', { ...asUser, protocolVersion: 3 as const, protocolId: 'MQIsdp' as const }, 1, 'level 3 found'],
  ])('fail: %s', async (_name, connect, returnCode, reason) => {
    const { client, log } = await serve();
    await expect(client.connect(connect)).resolves.toMatchObject({ returnCode, sessionPresent: false });
    await client.ended;
    expect(log.join('\n')).toContain(`refused with ${returnCode}`);
    expect(log.join('\n')).toContain(reason);
  });

  it('fail: a service that breaks answers with 3 and is logged', async () => {
    const service = new Recorder();
    service.onConnect = () => Promise.reject(new Error('out of order'));
    const { client, log } = await serve(service);
    await expect(client.connect(asUser)).resolves.toMatchObject({ returnCode: 3 });
    expect(log[0]).toContain('out of order');
  });

  it('ok: packets sent before CONNACK are worked on after it', async () => {
    const { client } = await serve();
    const connack = client.connect(asUser);
    client.send({ cmd: 'pingreq' });
    await connack;
    await client.next('pingresp');
  });

  it('fail: a flood of packets before CONNACK', async () => {
    const service = new Recorder();
    service.onConnect = () => new Promise(() => undefined);
    const { client, log } = await serve(service);
    client.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 9, ...asUser });
    for (let count = 0; count < 101; count += 1) client.send({ cmd: 'pingreq' });
    await client.ended;
    expect(log[0]).toContain('too many packets before CONNACK');
  });

  it('ok: a client that leaves while the service thinks is closed once and never opened', async () => {
    const service = new Recorder();
    let letIn: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      service.onConnect = () => {
        resolve();
        return new Promise((go) => (letIn = go));
      };
    });
    const { client, serverSide } = await serve(service);
    client.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 9, ...asUser });
    await asked;
    client.destroy();
    await new Promise((resolve) => serverSide.on('close', resolve));
    letIn();
    await new Promise(setImmediate);
    expect(service.events).toEqual(['closed false']);
  });
});

describe('protocol errors end the connection', () => {
  const connect: Packet = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 9,
    ...asUser,
  };
  const publish = { cmd: 'publish', topic: 't', payload: 'x', dup: false, retain: false } as const;

  it.each<[string, Buffer, string]>([
    ['a second CONNECT [MQTT-3.1.0-2]', generate(connect), 'unexpected connect'],
    ['a packet of the server', generate({ cmd: 'pingresp' }), 'unexpected pingresp'],
    ['PUBREL, which belongs to QoS 2', generate({ cmd: 'pubrel', messageId: 1 }), 'unexpected pubrel'],
    ['PUBLISH with QoS 2', generate({ ...publish, qos: 2, messageId: 1 }), 'QoS 2 is not supported'],
    ['PUBLISH with QoS 1 and no packet identifier', Buffer.from([0x32, 3, 0, 1, 0x74]), 'MQTT-2.3.1-1'],
    ['PUBLISH with QoS 3', Buffer.from([0x36, 5, 0, 1, 0x74, 0, 1]), 'protocol error'],
    ['a wildcard in the topic [MQTT-3.3.2-2]', Buffer.from([0x30, 3, 0, 1, 0x23]), 'MQTT-3.3.2-2'],
    ['wrong reserved flags', Buffer.from([0xc1, 0]), 'protocol error'],
    [
      'a packet that is too large',
      Buffer.concat([Buffer.from([0x30, 0xff, 0xff, 0x7f]), Buffer.alloc(400_000)]),
      'packet larger than',
    ],
  ])('fail: %s', async (_name, bytes, reason) => {
    const { client, log, service } = await connected();
    client.stream.write(bytes);
    await client.ended;
    expect(log.join('\n')).toContain(reason);
    expect(service.events.filter((event) => event.startsWith('closed'))).toEqual(['closed false']);
  });

  it('fail: anything before CONNECT', async () => {
    const { client, log } = await serve();
    client.send({ cmd: 'pingreq' });
    await client.ended;
    expect(log[0]).toContain('pingreq before CONNECT');
  });

  it('fail: a publish that the session refuses, with its reason in the log', async () => {
    const service = new Recorder();
    service.onPublish = () => Promise.reject(new Error('no such topic'));
    const { client, log } = await connected(service);
    client.send({ ...publish, qos: 1, messageId: 7 });
    await client.ended;
    expect(log[0]).toContain('no such topic');
    expect(client.unread).toEqual([]);
  });
});

describe('PUBLISH from the client', () => {
  const publish = { cmd: 'publish', topic: 't', dup: false, retain: false } as const;

  it('ok: QoS 0 is taken, QoS 1 is acknowledged', async () => {
    const { client, service } = await connected();
    client.send({ ...publish, payload: 'zero', qos: 0 });
    client.send({ ...publish, payload: 'one', qos: 1, messageId: 9 });
    await expect(client.next('puback')).resolves.toMatchObject({ messageId: 9 });
    expect(service.events).toEqual(['opened', 'publish t 0 zero', 'publish t 1 one']);
  });

  it('ok: acknowledgements keep the order of arrival [MQTT-4.6.0-2]', async () => {
    const service = new Recorder();
    const waiting: (() => void)[] = [];
    service.onPublish = () => new Promise((resolve) => waiting.push(resolve));
    const { client } = await connected(service);
    for (const messageId of [1, 2, 3]) client.send({ ...publish, payload: '', qos: 1, messageId });
    await client.ping();
    waiting[2]!();
    waiting[1]!();
    await client.ping();
    expect(client.unread).toEqual([]);
    waiting[0]!();
    const acknowledged = [await client.next('puback'), await client.next('puback'), await client.next('puback')];
    expect(acknowledged.map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
  });

  it('ok: a client with too much under way is not read from until some of it is done', async () => {
    const service = new Recorder();
    const waiting: (() => void)[] = [];
    service.onPublish = () => new Promise((resolve) => waiting.push(resolve));
    const { client, serverSide } = await connected(service);
    const packets = Array.from({ length: 5000 }, (_, index) =>
      generate({ ...publish, payload: Buffer.alloc(100), qos: 1, messageId: index + 1 }),
    );
    for (const packet of packets) client.stream.write(packet);
    while (!serverSide.isPaused()) await new Promise(setImmediate);
    const taken = waiting.length;
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(5000);
    service.onPublish = () => Promise.resolve();
    for (const resolve of waiting) resolve();
    for (let count = 0; count < 5000; count += 1) {
      await expect(client.next('puback')).resolves.toMatchObject({ messageId: count + 1 });
    }
  });
});

describe('PUBLISH to the client', () => {
  it('ok: QoS 1 resolves with the acknowledgement, QoS 0 at once', async () => {
    const { client, service } = await connected();
    await service.client!.publish('a', Buffer.from('zero'), 0);
    await expect(client.next('publish')).resolves.toMatchObject({ topic: 'a', qos: 0 });
    const done = service.client!.publish('b', Buffer.from('one'), 1);
    const packet = await client.next('publish');
    client.send({ cmd: 'puback', messageId: packet.messageId! });
    await done;
    client.send({ cmd: 'puback', messageId: packet.messageId! });
    await client.ping();
  });

  it('ok: packet identifiers in flight are never given twice', async () => {
    const { client, service } = await connected();
    const sent = Array.from({ length: 3 }, () => service.client!.publish('t', Buffer.alloc(0), 1));
    const ids = [await client.next('publish'), await client.next('publish'), await client.next('publish')].map(
      ({ messageId }) => messageId,
    );
    expect(new Set(ids).size).toBe(3);
    for (const messageId of ids) client.send({ cmd: 'puback', messageId: messageId! });
    await Promise.all(sent);
  });

  it('fail: what is not acknowledged rejects when the connection ends, and so does what comes later', async () => {
    const { client, service } = await connected();
    const waiting = service.client!.publish('t', Buffer.alloc(0), 1);
    await client.next('publish');
    client.destroy();
    await expect(waiting).rejects.toThrow('the connection has ended');
    await expect(service.client!.publish('t', Buffer.alloc(0), 0)).rejects.toThrow('the connection has ended');
  });
});

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  it('ok: grants, 0x80 for refused, and `subscribed` only for what is granted', async () => {
    const { client, service } = await connected();
    client.send({
      cmd: 'subscribe',
      messageId: 5,
      subscriptions: [
        { topic: 'a', qos: 0 },
        { topic: 'b', qos: 2 },
        { topic: 'forbidden', qos: 1 },
      ],
    });
    await expect(client.next('suback')).resolves.toMatchObject({ messageId: 5, granted: [0, 1, 0x80] });
    expect(service.events).toEqual(['opened', 'subscribed a', 'subscribed b']);
    client.send({ cmd: 'unsubscribe', messageId: 6, unsubscriptions: ['a'] });
    await expect(client.next('unsuback')).resolves.toMatchObject({ messageId: 6 });
    expect(service.events.at(-1)).toBe('unsubscribed a');
  });
});

describe('how a connection ends', () => {
  it('ok: DISCONNECT is graceful and not logged', async () => {
    const { client, service, log } = await connected();
    client.send({ cmd: 'disconnect' });
    await client.ended;
    expect(service.events).toEqual(['opened', 'closed true']);
    expect(log).toEqual([]);
  });

  it('ok: a lost client and a close by the service count once', async () => {
    const first = await connected();
    first.client.destroy();
    await new Promise((resolve) => first.serverSide.on('close', resolve));
    expect(first.service.events).toEqual(['opened', 'closed false']);
    const second = await connected();
    second.service.client!.close('enough');
    second.service.client!.close('enough');
    await second.client.ended;
    expect(second.service.events).toEqual(['opened', 'closed false']);
    expect(second.log).toEqual(['MQTT d1: connection ended: enough']);
  });

  it.each([
    [60, 90_000],
    [1, 1500],
    [2000, 1_767_000],
    [0, 1_767_000],
  ])('fail: with a keep-alive of %d s, silence of %d ms', async (keepalive, limitMs) => {
    const service = new Recorder();
    const { client, clock, log } = await serve(service);
    await client.connect({ ...asUser, keepalive });
    clock.advance(limitMs - 1);
    await client.ping();
    // Heard of just now: the old deadline passes.
    clock.advance(limitMs - 1);
    expect(service.events).toEqual(['opened']);
    clock.advance(1);
    await client.ended;
    expect(service.events).toEqual(['opened', 'closed false']);
    expect(log[0]).toContain('keep-alive');
    expect(clock.delaysMs).toEqual([]);
  });
});
