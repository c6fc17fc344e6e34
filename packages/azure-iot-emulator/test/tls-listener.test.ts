import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { MqttConnect, MqttService } from '../src/mqtt/service.ts';
import { listenTls, type ListenTlsOptions, type TlsListener } from '../src/tls/listener.ts';
import {
  createServerIdentity,
  renewalMs,
  renewServerIdentity,
  type ServerIdentity,
} from '../src/tls/server-identity.ts';
import { createCertificate, withChain } from './hub-certificates.ts';
import { RawClient } from './mqtt-raw-client.ts';

let identity: ServerIdentity;
let listener: TlsListener | undefined;

beforeAll(async () => {
  identity = await createServerIdentity({ extraNames: ['contoso.example'] });
});

afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

async function open(options: Partial<ListenTlsOptions> = {}): Promise<TlsListener> {
  listener = await listenTls({
    port: 0,
    identity,
    http: (_request, response) => response.end('over HTTP'),
    mqttServices: [],
    ...options,
  });
  return listener;
}

/** Refuses everyone, and remembers who came. */
class Doorman implements MqttService {
  readonly seen: MqttConnect[] = [];
  accepts(): boolean {
    return true;
  }
  connect(connect: MqttConnect): Promise<{ refusal: 5; reason: string }> {
    this.seen.push(connect);
    return Promise.resolve({ refusal: 5, reason: 'nobody gets in' });
  }
}

async function handshake(port: number, options: object = {}): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: identity.rootPem, servername: 'localhost', ...options });
  await once(socket, 'secureConnect');
  return socket;
}

function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    httpsRequest(
      { host: '127.0.0.1', port, ca: identity.rootPem, servername: 'localhost', agent: false },
      (response) => {
        response.setEncoding('utf8').on('data', resolve);
      },
    )
      .on('error', reject)
      .end();
  });
}

describe('server identity', () => {
  it('ok: carries the emulator’s and Microsoft’s names, RSA 2048, under its own root', () => {
    const [server, root] = identity.certificatePem
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem));
    for (const name of [
      'localhost',
      'h1.azure-devices.localhost',
      'global.azure-devices-provisioning.localhost',
      'd1.azure-devices-provisioning.localhost',
      'h1.azure-devices.net',
      'global.azure-devices-provisioning.net',
      'management.azure.com',
      'login.microsoftonline.com',
      'contoso.example',
    ]) {
      expect(server!.checkHost(name)).toBeDefined();
    }
    expect(server!.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(server!.checkIP('::1')).toBe('::1');
    expect(server!.checkHost('azure-devices.example')).toBeUndefined();
    expect(server!.publicKey.asymmetricKeyType).toBe('rsa');
    expect(server!.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(server!.verify(root!.publicKey)).toBe(true);
    expect(root!.toString()).toBe(new X509Certificate(identity.rootPem).toString());
    expect(root!.ca).toBe(true);
  });

  it('ok: good by the clock that it is given and by the system’s', async () => {
    const { rootPem, certificatePem } = await createServerIdentity({ now: () => Date.UTC(2060, 0, 2) });
    for (const certificate of [rootPem, certificatePem].map((pem) => new X509Certificate(pem))) {
      expect(Date.parse(certificate.validFrom)).toBeLessThan(Date.now());
      expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.UTC(2060, 11, 1));
    }
  });

  it('ok: renewed under the root that clients trust, or with a new root where that ends too', async () => {
    const nowMs = Date.now();
    const dayMs = 86_400_000;
    expect(Math.round((renewalMs(identity) - nowMs) / dayMs)).toBe(335);
    const renewed = await renewServerIdentity(identity, nowMs + 336 * dayMs);
    expect(renewed.rootPem).toBe(identity.rootPem);
    expect(renewalMs(renewed)).toBeGreaterThan(nowMs + 600 * dayMs);
    const later = await renewServerIdentity(identity, nowMs + 21 * 365 * dayMs);
    expect(later.rootPem).not.toBe(identity.rootPem);
    expect(renewalMs(later)).toBeGreaterThan(nowMs + 21 * 365 * dayMs);
  });
});

describe('one port for all protocols', () => {
  it('ok: HTTP and MQTT are told apart by the first byte', async () => {
    const { port } = await open();
    await expect(get(port)).resolves.toBe('over HTTP');
    const client = await RawClient.overTls({ port, ca: identity.rootPem, servername: 'localhost' });
    await expect(client.connect({ clientId: 'd1' })).resolves.toMatchObject({ returnCode: 5 });
    await client.ended;
  });

  it('fail: AMQP is let go of, and the log says why', async () => {
    const log: string[] = [];
    const { port } = await open({ log: (line) => log.push(line) });
    const socket = await handshake(port);
    socket.write(Buffer.from('AMQP\x03\x01\x00\x00'));
    socket.resume();
    await once(socket, 'close');
    expect(log.join('\n')).toContain('it speaks AMQP, which the emulator does not');
  });

  it('ok: a CONNECT that arrives byte by byte is understood', async () => {
    const { port } = await open();
    const socket = await handshake(port);
    const client = new RawClient(socket);
    const packet = Buffer.from([0x10, 0x0e, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 2, 0x64, 0x31]);
    for (const byte of packet) socket.write(Buffer.from([byte]));
    await expect(client.next('connack')).resolves.toMatchObject({ returnCode: 5 });
  });

  it('ok: the client’s chain reaches the service as presented, leaf first', async () => {
    const doorman = new Doorman();
    const { port } = await open({ mqttServices: [doorman] });
    const root = await createCertificate('root', { isAuthority: true });
    const line = await createCertificate('line', { issuer: root, isAuthority: true });
    const device = await createCertificate('d1', { issuer: line });
    for (const options of [withChain(device, line, root), withChain(device, line), withChain(device), {}]) {
      const client = await RawClient.overTls({ port, ca: identity.rootPem, servername: 'localhost', ...options });
      await client.connect({ clientId: 'd1' });
    }
    const chains = doorman.seen.map(({ presentedChain }) => presentedChain.map((der) => Buffer.from(der)));
    const [r, l, d] = [root, line, device].map(({ der }) => Buffer.from(der));
    expect(chains).toEqual([[d, l, r], [d, l], [d], []]);
  });

  it('ok: TLS 1.2 without session resumption, so that every connection presents its certificate', async () => {
    const { port } = await open();
    const first = await handshake(port);
    expect(first.getProtocol()).toBe('TLSv1.2');
    const session = first.getSession();
    first.destroy();
    const second = await handshake(port, { session });
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it('fail: TLS 1.3 alone and TLS 1.1 are refused in the handshake, and the log says so', async () => {
    const log: string[] = [];
    const { port } = await open({ log: (line) => log.push(line) });
    await expect(handshake(port, { minVersion: 'TLSv1.3' })).rejects.toThrow(/alert|version/i);
    await expect(handshake(port, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })).rejects.toThrow();
    expect(log.join('\n')).toContain('TLS handshake failed');
  });

  it('fail: a client that stays silent after the handshake is let go', async () => {
    const timers: { delayMs: number; call: () => void }[] = [];
    const { port } = await open({
      startTimer: (delayMs, call) => {
        timers.push({ delayMs, call });
        return () => undefined;
      },
    });
    const socket = await handshake(port);
    socket.resume();
    const closed = once(socket, 'close');
    // The server's side of the handshake may end a moment later than ours.
    while (timers.length === 0) await new Promise(setImmediate);
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([30_000]);
    timers[0]!.call();
    await closed;
  });
});

describe('opening and closing', () => {
  it('fail: a port that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(open({ port })).rejects.toMatchObject({
      name: 'EmulatorError',
      code: 'ERR_EMULATOR_PORT_TAKEN',
      message: expect.stringContaining(`Port ${port} on 127.0.0.1 is taken`),
      cause: { code: 'EADDRINUSE' },
    });
    other.close();
  });

  it('fail: an address that this machine does not have', async () => {
    await expect(open({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'ERR_EMULATOR_PORT_REFUSED',
      message: expect.stringContaining('192.0.2.1'),
    });
  });

  it('ok: close ends HTTP, MQTT and half-open connections', async () => {
    const { port } = await open();
    const idle = await handshake(port);
    const keptAlive = await handshake(port);
    keptAlive.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(keptAlive, 'data');
    const ends = [idle, keptAlive].map((socket) => once(socket.resume(), 'close'));
    await listener!.close();
    await Promise.all(ends);
    await expect(handshake(port)).rejects.toThrow('ECONNREFUSED');
  });
});
