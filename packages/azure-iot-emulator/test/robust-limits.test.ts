import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { startAzureIot } from '../src/index.ts';
import { serveMqtt } from '../src/mqtt/connection.ts';
import { mostUnreadBytes } from '../src/mqtt/outgoing.ts';
import type { MqttClient, MqttService } from '../src/mqtt/service.ts';
import { listenTls, type ListenTlsOptions, type TlsListener } from '../src/tls/listener.ts';
import { exposureWarning } from '../src/tls/loopback.ts';
import type { ServerIdentity } from '../src/tls/server-identity.ts';
import { serverIdentity } from './hub-test-bed.ts';
import { FakeClock } from './mqtt-fake-clock.ts';
import { RawClient } from './mqtt-raw-client.ts';

let identity: ServerIdentity;
let listener: TlsListener | undefined;
let log: string[];

beforeAll(async () => {
  identity = await serverIdentity();
});

afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

/** Lets everybody in and keeps the client's side, so that tests can push. */
class OpenHouse implements MqttService {
  client: MqttClient | undefined;
  closed = 0;
  accepts(): boolean {
    return true;
  }
  connect(_connect: unknown, client: MqttClient): ReturnType<MqttService['connect']> {
    this.client = client;
    return Promise.resolve({
      sessionPresent: false,
      opened: () => undefined,
      subscribe: () => 0 as const,
      subscribed: () => undefined,
      unsubscribe: () => undefined,
      publish: () => undefined,
      closed: () => void (this.closed += 1),
    });
  }
}

async function open(options: Partial<ListenTlsOptions> = {}): Promise<number> {
  log = [];
  listener = await listenTls({
    port: 0,
    identity,
    http: (_request, response) => response.end('over HTTP'),
    mqttServices: [new OpenHouse()],
    log: (line) => log.push(line),
    ...options,
  });
  return listener.port;
}

async function handshake(port: number): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: identity.rootPem, servername: 'localhost' });
  await once(socket, 'secureConnect');
  return socket;
}

const closed = async (socket: Socket): Promise<void> => {
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'close');
};

describe('half-open connections are bounded in time', () => {
  it('fail: TLS that is never finished', async () => {
    const port = await open({ limits: { handshakeMs: 50 } });
    await closed(connectTcp(port, '127.0.0.1'));
    expect(log.join('\n')).toMatch(/TLS handshake/);
  });

  it('fail: a CONNECT that is begun and never finished, over TLS and over WebSocket', async () => {
    const clock = new FakeClock();
    const port = await open({ now: clock.now, startTimer: clock.startTimer });
    const socket = await handshake(port);
    socket.write(Buffer.from([0x10, 0x20, 0]));
    const webSocket = new WebSocket(`wss://127.0.0.1:${port}/$iothub/websocket`, ['mqtt'], { ca: identity.rootPem });
    await once(webSocket, 'open');
    const ends = [
      closed(socket),
      once(
        webSocket.on('error', () => undefined),
        'close',
      ),
    ];
    // The server's side of both may come a moment later than ours.
    while (clock.delaysMs.length < 2) await new Promise(setImmediate);
    clock.advance(29_999);
    expect(log).toEqual([]);
    clock.advance(1);
    await Promise.all(ends);
    expect(log.filter((line) => line.includes('no CONNECT was accepted within 30 s'))).toHaveLength(2);
  });

  it('ok: a client that was let in is not timed out by its CONNECT', async () => {
    const clock = new FakeClock();
    const port = await open({ now: clock.now, startTimer: clock.startTimer });
    const client = new RawClient(await handshake(port));
    await client.connect({ clientId: 'd1', username: 'h/d1', keepalive: 600 });
    clock.advance(60_000);
    await client.ping();
    client.destroy();
  });

  it.each([
    ['headers that never end', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '],
    ['a body that never comes', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345'],
  ])('fail: an HTTP request with %s is answered with 408', async (_what, text) => {
    const port = await open({
      limits: { headersMs: 40, requestMs: 80 },
      // Takes the body as the planes do: whole, before it answers.
      http: (request, response) => void request.resume().on('end', () => response.end()),
    });
    const socket = await handshake(port);
    socket.write(text);
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    await closed(socket);
    expect(answer).toContain('408 Request Timeout');
  });

  it('fail: HTTP headers of more than 16 KiB are answered with 431', async () => {
    const port = await open();
    const socket = await handshake(port);
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`);
    await closed(socket);
    expect(answer).toContain('431');
  });

  it('ok: an HTTP connection that asks nothing more is closed after a while', async () => {
    const port = await open({ limits: { idleMs: 40 } });
    const socket = await handshake(port);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closed(socket);
  });
});

describe('connections are bounded in number', () => {
  it('fail: one connection more than allowed is closed, and there is room again when another ends', async () => {
    const port = await open({ limits: { mostConnections: 2 } });
    const [first] = [await handshake(port), await handshake(port)];
    await closed(connectTcp(port, '127.0.0.1'));
    expect(log).toEqual(['connection refused: 2 are open already']);
    first.destroy();
    // The server learns of the end a moment after us.
    let third: TLSSocket | undefined;
    while (third === undefined) third = await handshake(port).catch(() => undefined);
    third.destroy();
  });
});

describe('slow readers are bounded in bytes', () => {
  /** A client whose network takes nothing after CONNACK. */
  class Stuck extends Duplex {
    written = 0;
    override _read(): void {
      // The test pushes.
    }
    override _write(chunk: Buffer, _encoding: string, done: () => void): void {
      this.written += chunk.length;
      if (this.written <= 4) done();
    }
  }

  it('fail: who leaves more than 8 MiB unread is disconnected, and nothing is kept for it', async () => {
    const clock = new FakeClock();
    const service = new OpenHouse();
    const stream = new Stuck();
    const lines: string[] = [];
    serveMqtt({
      stream,
      presentedChain: [],
      mqttServices: [service],
      log: (line) => lines.push(line),
      now: clock.now,
      startTimer: clock.startTimer,
    });
    stream.push(Buffer.from([0x10, 0x0e, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 2, 0x64, 0x31]));
    while (stream.written === 0) await new Promise(setImmediate);
    const payload = Buffer.alloc(256 * 1024);
    let most = 0;
    for (let count = 0; count < 100 && service.closed === 0; count += 1) {
      service.client!.publish('t', payload, 0).catch(() => undefined);
      await new Promise(setImmediate);
      most = Math.max(most, stream.writableLength);
    }
    expect(service.closed).toBe(1);
    expect(most).toBeLessThanOrEqual(mostUnreadBytes);
    expect(lines.join('\n')).toContain(`the client has left more than ${mostUnreadBytes} bytes unread`);
    expect(stream.destroyed).toBe(true);
    expect(clock.delaysMs).toEqual([]);
  });

  it('ok: who asks much and reads nothing is not read either', async () => {
    const port = await open();
    const socket = await handshake(port);
    const client = new RawClient(socket);
    await client.connect({ clientId: 'd1', username: 'h/d1' });
    socket.pause();
    const pings = Buffer.alloc(64 * 1024, Buffer.from([0xc0, 0x00]));
    // Fills both directions until the emulator stops reading, which shows as our own write that has to wait.
    while (socket.write(pings)) await new Promise(setImmediate);
    socket.resume();
    await once(socket, 'drain');
    await client.ping();
    client.destroy();
  });

  it('fail: a WebSocket that pings without reading pongs', async () => {
    const socket = await handshake(await open());
    socket.on('error', () => undefined);
    socket.write(
      'GET /$iothub/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('101 Switching Protocols');
    socket.pause();
    const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const pings = Buffer.concat(Array.from({ length: 500 }, () => ping));
    const isGone = new Promise((resolve) => socket.once('close', () => resolve(true)));
    let sent = 0;
    // ws gives up on a client when too many pongs wait to be read.
    for (; sent < 64 * 1024 * 1024 && !socket.destroyed; sent += pings.length) {
      await new Promise<void>((resolve) => socket.write(pings, () => resolve()));
    }
    await expect(isGone).resolves.toBe(true);
    expect(sent).toBeLessThan(mostUnreadBytes);
  });
});

describe('where it listens', () => {
  it('ok: loopback unless told otherwise, and then without a word', async () => {
    const lines: string[] = [];
    const emulator = await startAzureIot({ log: (line) => lines.push(line) });
    try {
      const socket = connectTcp(emulator.mqttPort, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
      // Another address of this very machine.
      const other = connectTcp(emulator.mqttPort, '127.0.0.2');
      await expect(once(other, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      expect(lines).toEqual([]);
    } finally {
      await emulator.close();
    }
  });

  it('ok: everywhere on request, with a warning', async () => {
    const lines: string[] = [];
    const emulator = await startAzureIot({ host: '0.0.0.0', log: (line) => lines.push(line) });
    try {
      const socket = connectTcp(emulator.httpsPort, '127.0.0.2');
      await once(socket, 'connect');
      socket.destroy();
      expect(lines[0]).toContain('WARNING: listening on 0.0.0.0, where other machines can reach the emulator');
    } finally {
      await emulator.close();
    }
  });

  it.each([
    ['127.0.0.1', false],
    ['127.1.2.3', false],
    ['::1', false],
    ['localhost', false],
    ['0.0.0.0', true],
    ['::', true],
    ['192.168.1.5', true],
    ['example.com', true],
  ])('%s: warning %s', (host, isWarned) => {
    expect(exposureWarning(host) !== undefined).toBe(isWarned);
  });
});
