import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { generate, type Packet } from 'mqtt-packet';
import { MqttConnection, type InboundPublish } from '../src/protocol/mqtt-connection.ts';
import { ManualClock } from './manual-clock.ts';
import { polite, startScriptedServer, type ScriptedServer } from './mqtt-server.ts';

const servers: ScriptedServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Opened {
  readonly server: ScriptedServer;
  readonly connection: MqttConnection;
  readonly clock: ManualClock;
  readonly inbound: InboundPublish[];
}

const serve = async (answer?: (packet: Packet) => Packet[]): Promise<ScriptedServer> => {
  const server = await startScriptedServer(answer);
  servers.push(server);
  return server;
};

const connectTo = async (
  server: ScriptedServer,
  onPublish?: (publish: InboundPublish) => void,
  signal?: AbortSignal,
): Promise<Opened> => {
  const clock = new ManualClock();
  const inbound: InboundPublish[] = [];
  const connection = await MqttConnection.open({
    stream: server.stream,
    clientId: 'device-1',
    username: 'hub/device-1/?api-version=2021-04-12',
    cleanSession: false,
    keepAliveSeconds: 180,
    clock,
    onPublish: onPublish ?? ((publish) => void inbound.push(publish)),
    signal,
  });
  return { server, connection, clock, inbound };
};

const message = (messageId: number, topic = 'a/b'): Packet => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from('body'),
  qos: 1,
  messageId,
  dup: false,
  retain: false,
});

describe('opening', () => {
  it('says who it is, and what it keeps', async () => {
    const { server } = await connectTo(await serve());
    expect(server.received[0]).toMatchObject({
      cmd: 'connect',
      protocolVersion: 4,
      clientId: 'device-1',
      username: 'hub/device-1/?api-version=2021-04-12',
      clean: false,
      keepalive: 180,
    });
  });

  it.each([1, 2, 3, 4, 5])('fails with return code %i where the server says no', async (returnCode) => {
    const server = await serve(() => [{ cmd: 'connack', returnCode, sessionPresent: false }]);
    await expect(connectTo(server)).rejects.toMatchObject({ name: 'ConnectRefusedError', returnCode });
    expect(server.stream.destroyed).toBe(true);
  });

  it('ends with its signal', async () => {
    const server = await serve(() => []);
    const stop = new AbortController();
    const opening = connectTo(server, undefined, stop.signal);
    await server.next('connect');
    stop.abort();
    await expect(opening).rejects.toMatchObject({ kind: 'closed' });
    expect(server.stream.destroyed).toBe(true);
  });

  it('hands over what comes in the same breath as CONNACK', async () => {
    const server = await serve((packet) => [...polite(packet), ...(packet.cmd === 'connect' ? [message(7)] : [])]);
    const seen: string[] = [];
    await connectTo(server, ({ topic, acknowledge }) => {
      seen.push(topic);
      acknowledge();
    });
    expect(await server.next('puback')).toMatchObject({ messageId: 7 });
    expect(seen).toEqual(['a/b']);
  });
});

describe('sending', () => {
  it('resolves with the acknowledgement, each message with its own', async () => {
    const server = await serve((packet) => (packet.cmd === 'publish' ? [] : polite(packet)));
    const { connection } = await connectTo(server);
    const done: number[] = [];
    const sending = [1, 2].map((number) => connection.publish(`t/${number}`, '{}', 1).then(() => done.push(number)));
    const second = await server.next('publish', 1);
    server.send({ cmd: 'puback', messageId: second.messageId ?? 0 });
    await sending[1];
    expect(done).toEqual([2]);
    server.send({ cmd: 'puback', messageId: second.messageId! - 1 });
    await sending[0];
    expect(done).toEqual([2, 1]);
  });

  it('uses no packet identifier that still waits, over all 65,535 of them', async () => {
    const isFirst = (packet: Packet): boolean => packet.cmd === 'publish' && packet.topic === 'first';
    const server = await serve((packet) => (isFirst(packet) ? [] : polite(packet)));
    const { connection } = await connectTo(server);
    void connection.publish('first', '', 1).catch(() => undefined);
    for (let round = 0; round < 66; round += 1) {
      await Promise.all(Array.from({ length: 1000 }, () => connection.publish('rest', '', 1)));
    }
    const ids = server.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.messageId] : []));
    expect(ids[0]).toBe(1);
    expect(ids.slice(1)).not.toContain(1);
    expect(ids).not.toContain(0);
    expect(Math.max(...(ids as number[]))).toBe(65_535);
  });

  it('says goodbye after what was sent before', async () => {
    const { server, connection } = await connectTo(await serve());
    await connection.publish('a', 'b', 0);
    await connection.disconnect();
    await server.next('disconnect');
    expect(server.received.map(({ cmd }) => cmd)).toEqual(['connect', 'publish', 'disconnect']);
    await expect(connection.publish('a', 'b', 0)).rejects.toMatchObject({ kind: 'closed' });
    await expect(connection.publish('a', 'b', 1)).rejects.toMatchObject({ kind: 'closed' });
  });

  it('says goodbye for a second where nothing gets through any more, and no longer', async () => {
    const { server, connection, clock } = await connectTo(await serve());
    server.stall();
    const sending = connection.publish('a', Buffer.alloc(64 * 1024 * 1024), 1);
    const leaving = connection.disconnect();
    await expect(sending).rejects.toMatchObject({ kind: 'closed' });
    let hasEnded = false;
    void connection.ended.then(() => (hasEnded = true));
    await clock.advance(999);
    expect([hasEnded, server.stream.destroyed]).toEqual([false, false]);
    await clock.advance(1);
    await leaving;
    expect([hasEnded, server.stream.destroyed]).toEqual([true, true]);
  });

  it('hands nothing over after its goodbye', async () => {
    const { server, connection, inbound } = await connectTo(await serve());
    server.stall();
    void connection.publish('a', Buffer.alloc(64 * 1024 * 1024), 0);
    void connection.disconnect();
    server.send(message(3));
    await once(server.stream, 'data');
    expect(inbound).toEqual([]);
    connection.destroy();
  });

  it('rejects what waits when the server goes', async () => {
    const server = await serve((packet) => (packet.cmd === 'publish' ? [] : polite(packet)));
    const { connection } = await connectTo(server);
    const sending = connection.publish('a', 'b', 1);
    await server.next('publish');
    server.close();
    await expect(sending).rejects.toMatchObject({ kind: 'closed' });
    await expect(connection.ended).resolves.toMatchObject({ kind: 'closed' });
  });

  it('rejects a subscription that the server refuses, and names it', async () => {
    const server = await serve((packet) =>
      packet.cmd === 'subscribe'
        ? [{ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1, 0x80] }]
        : polite(packet),
    );
    const { connection } = await connectTo(server);
    const filters = ['yes/#', 'no/#'].map((topic) => ({ topic, qos: 1 as const }));
    await expect(connection.subscribe(filters)).rejects.toThrow(/refused to subscribe no\/#/);
  });
});

describe('receiving', () => {
  it('acknowledges when told to, and once', async () => {
    const { server, inbound } = await connectTo(await serve());
    server.send(message(3), message(4));
    await server.next('connect');
    while (inbound.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(server.received.map(({ cmd }) => cmd)).not.toContain('puback');
    inbound[0]?.acknowledge();
    inbound[0]?.acknowledge();
    inbound[1]?.acknowledge();
    await server.next('puback', 1);
    const acknowledged = server.received.flatMap((packet) => (packet.cmd === 'puback' ? [packet.messageId] : []));
    expect(acknowledged).toEqual([3, 4]);
  });

  it('ends, unacknowledged, where a message could not be taken', async () => {
    const { server, connection } = await connectTo(await serve(), () => {
      throw new Error('disk full');
    });
    server.send(message(3));
    await expect(connection.ended).resolves.toMatchObject({ cause: { message: 'disk full' } });
    expect(server.received.map(({ cmd }) => cmd)).toEqual(['connect']);
  });

  it.each([
    ['bytes that are no MQTT', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a packet that only clients send', generate({ cmd: 'pingreq' })],
  ])('ends with %s', async (_what, bytes) => {
    const { server, connection } = await connectTo(await serve());
    server.sendBytes(bytes);
    await expect(connection.ended).resolves.toMatchObject({ kind: 'closed' });
  });
});

describe('keep-alive', () => {
  it('asks a server that is silent for half the time, and goes on when it answers', async () => {
    const { server, connection, clock } = await connectTo(await serve());
    let hasEnded = false;
    void connection.ended.then(() => (hasEnded = true));
    for (let minute = 0; minute < 30; minute += 1) await clock.advance(60_000);
    const pings = server.received.filter(({ cmd }) => cmd === 'pingreq').length;
    // At least one in each keep-alive time, or the server would end it.
    expect(pings).toBeGreaterThanOrEqual(10);
    expect(pings).toBeLessThanOrEqual(40);
    expect(hasEnded).toBe(false);
  });

  it('finds a half-open connection within the keep-alive time', async () => {
    const server = await serve((packet) => (packet.cmd === 'pingreq' ? [] : polite(packet)));
    const { connection, clock } = await connectTo(server);
    let end: unknown;
    void connection.ended.then((reason) => (end = reason));
    await clock.advance(60_000);
    expect(end).toBeUndefined();
    await clock.advance(120_000);
    expect(end).toMatchObject({ kind: 'timeout', detail: 'no PINGRESP within 30 s' });
  });

  it('gives up a server that answers pings and acknowledges nothing', async () => {
    const server = await serve((packet) => (packet.cmd === 'publish' ? [] : polite(packet)));
    const { connection, clock } = await connectTo(server);
    const sending = connection.publish('a', 'b', 1);
    sending.catch(() => undefined);
    await clock.advance(50_000);
    await expect(sending).rejects.toMatchObject({ kind: 'timeout', detail: 'no PUBACK within 30 s' });
  });

  describe('on a slow link', () => {
    const silent = async (): Promise<Opened> =>
      connectTo(await serve((packet) => (packet.cmd === 'publish' ? [] : polite(packet))));
    const watchEnd = (connection: MqttConnection): { reason?: Error } => {
      const end: { reason?: Error } = {};
      void connection.ended.then((reason) => (end.reason = reason));
      return end;
    };

    it('gives a large message the time that it takes, and no more', async () => {
      const { connection, clock } = await silent();
      const end = watchEnd(connection);
      const sending = connection.publish('large', Buffer.alloc(250_000), 1);
      sending.catch(() => undefined);
      // At 2,000 bytes a second it is under way for 125 s.
      await clock.advance(150_000);
      expect(end.reason).toBeUndefined();
      await clock.advance(30_000);
      await expect(sending).rejects.toMatchObject({ kind: 'timeout' });
    });

    it('waits for each of many messages from when those before it are through', async () => {
      const { server, connection, clock } = await silent();
      const end = watchEnd(connection);
      const sending = Array.from({ length: 10 }, () => connection.publish('many', Buffer.alloc(10_000), 1));
      for (const each of sending) each.catch(() => undefined);
      const last = await server.next('publish', 9);
      for (let id = (last.messageId ?? 0) - 9; id <= (last.messageId ?? 0); id += 1) {
        await clock.advance(25_000);
        server.send({ cmd: 'puback', messageId: id });
        await sending[id - (last.messageId ?? 0) + 9];
      }
      expect(end.reason).toBeUndefined();
    });

    it('still misses an acknowledgement that is lost, though later ones come', async () => {
      const { server, connection, clock } = await silent();
      const end = watchEnd(connection);
      for (let index = 0; index < 4; index += 1) {
        connection.publish('lossy', 'b', 1).catch(() => undefined);
        const { messageId = 0 } = await server.next('publish', index);
        if (index > 0) server.send({ cmd: 'puback', messageId });
        await clock.advance(10_000);
      }
      await clock.advance(10_000);
      expect(end.reason).toMatchObject({ kind: 'timeout', detail: 'no PUBACK within 30 s' });
    });
  });
});
