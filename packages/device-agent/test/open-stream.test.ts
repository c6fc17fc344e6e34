import { getEventListeners, once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, createServer as createTlsServer, type SecureContext, type TLSSocket } from 'node:tls';
import { startAzureIot, type AzureIotEmulator } from '@contoso/azure-iot-emulator';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { generate, parser } from 'mqtt-packet';
import { ConnectionError } from '../src/network/connection-error.ts';
import { toTimeout } from '../src/network/connection-timeout.ts';
import { openStream, type OpenStreamOptions } from '../src/network/open-stream.ts';
import { trustRoots } from '../src/network/trusted-roots.ts';
import { startHttpProxy, type HttpProxyOptions } from './http-proxy.ts';
import { startMiddlebox, type MiddleboxMode } from './middlebox.ts';
import { makeTlsSite, type TlsSite } from './tls-site.ts';

let azure: AzureIotEmulator;
let site: TlsSite;
let secureContext: SecureContext;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  azure = await startAzureIot();
  site = makeTlsSite(['localhost', '127.0.0.1', '::1', 'hub.localhost']);
  secureContext = createSecureContext();
  trustRoots(secureContext, azure.cloud.trustedRootsPem + site.rootPem);
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(() => azure.close());

const open = async (host: string, options: Partial<OpenStreamOptions> = {}): Promise<Duplex> => {
  const stream = await openStream({ host, transport: 'mqtt', secureContext, ...options });
  closers.push(() => stream.destroy());
  return stream;
};

const failure = async (host: string, options: Partial<OpenStreamOptions> = {}): Promise<ConnectionError> => {
  const error = await open(host, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConnectionError);
  return error as ConnectionError;
};

const listen = async (server: Server, address = '127.0.0.1'): Promise<number> => {
  await once(server.listen(0, address), 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
};

const middlebox = async (mode: MiddleboxMode, port = azure.mqttPort): Promise<number> => {
  const box = await startMiddlebox(port, mode);
  closers.push(() => box.close());
  return box.port;
};

const proxyWith = async (options: HttpProxyOptions = {}): Promise<{ port: number; targets: string[] }> => {
  const proxy = await startHttpProxy(options);
  closers.push(() => proxy.close());
  return proxy;
};

const closedPort = async (): Promise<number> => {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
};

/** A CONNECT without a certificate, and the hub's or DPS's answer to it. */
async function speakMqtt(stream: Duplex): Promise<string> {
  const reader = parser();
  const answered = once(reader, 'packet') as Promise<[{ cmd: string; returnCode?: number }]>;
  stream.on('data', (chunk: Buffer) => void reader.parse(chunk));
  stream.write(generate({ cmd: 'connect', clientId: 'nobody', username: 'nobody', clean: true, keepalive: 60 }));
  const [packet] = await answered;
  return packet.cmd;
}

const echo = (): Server =>
  createTlsServer(site, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });

async function speaks(stream: Duplex): Promise<boolean> {
  stream.write('hello');
  const [answer] = (await once(stream, 'data')) as [Buffer];
  return answer.toString() === 'hello';
}

describe('a stream', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)('ok: carries MQTT over %s', async (transport) => {
    const stream = await open(azure.cloud.provisioningDeviceEndpoint, { transport });
    expect(await speakMqtt(stream)).toBe('connack');
  });

  it('ok: leaves nothing behind on the socket, the signal or the timer', async () => {
    const signal = new AbortController().signal;
    const port = await listen(echo());
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const stream = await open(`localhost:${port}`, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(stream.listenerCount('error')).toBe(1);
    expect(
      stream.eventNames().filter((name) => ['secureConnect', 'connect', 'timeout'].includes(String(name))),
    ).toEqual([]);
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it.each([
    ['127.0.0.1', (port: number) => `127.0.0.1:${port}`],
    ['::1', (port: number) => `[::1]:${port}`],
    ['::1', (port: number) => `localhost:${port}`],
    ['::1', (port: number) => `hub.localhost:${port}`],
    ['127.0.0.1', (port: number) => `hub.localhost:${port}`],
  ])('ok: reaches a server on %s by %s', async (address, host) => {
    const port = await listen(echo(), address);
    expect(await speaks(await open(host(port)))).toBe(true);
  });
});

describe('fail', () => {
  it('dns: a name that nobody has', async () => {
    expect(await failure('no-such-hub.invalid')).toMatchObject({
      kind: 'dns',
      message: expect.stringMatching(/no-such-hub\.invalid.*(ENOTFOUND|EAI_AGAIN).*Check/),
    });
  });

  it('tcp: nothing listens, on either family', async () => {
    const port = await closedPort();
    expect(await failure(`hub.localhost:${port}`)).toMatchObject({
      kind: 'tcp',
      message: expect.stringMatching(
        new RegExp(`hub\\.localhost:${port}: .*127\\.0\\.0\\.1:${port}; .*::1:${port}\\. Nothing listens there`),
      ),
    });
  });

  it('tls: the connection is cut inside the handshake', async () => {
    const port = await middlebox({ cutAfterBytes: 100 });
    expect(await failure(`hub.localhost:${port}`)).toMatchObject({
      kind: 'tls',
      message: expect.stringMatching(/broke off: .*ECONNRESET.*middlebox that cuts TLS/),
    });
  });

  it('tls: a web page answers', async () => {
    const port = await middlebox({ answer: 'HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n<html>' });
    expect(await failure(`hub.localhost:${port}`)).toMatchObject({
      kind: 'tls',
      message: expect.stringMatching(/does not speak TLS: look for a captive portal/),
    });
  });

  it('tls: versions that Azure does not take', async () => {
    const port = await listen(createTlsServer({ ...site, minVersion: 'TLSv1.3' }));
    const old = createSecureContext({ maxVersion: 'TLSv1.2' });
    expect(await failure(`localhost:${port}`, { secureContext: old })).toMatchObject({
      kind: 'tls',
      message: expect.stringMatching(/share no TLS version or cipher/),
    });
  });

  it.each([
    ['expired', /CERT_HAS_EXPIRED.*Look at the clock of this device, it says 20/],
    ['wrongName', /is not in the cert's altnames.*captive portal/],
    [
      'otherRoot',
      /not trusted: (UNABLE|SELF|DEPTH).*Trust its root.*trustedRootsPem, in a configuration file trustedRootsFile/,
    ],
  ] as const)('untrusted-server: its certificate is %s, and whose it is', async (problem, message) => {
    azure.faults.add({ kind: 'certificate', problem });
    closers.push(() => azure.faults.clear());
    expect(await failure(azure.cloud.provisioningDeviceEndpoint)).toMatchObject({
      kind: 'untrusted-server',
      message: expect.stringMatching(message),
      serverCertificate: {
        whose: 'server',
        subject: expect.stringMatching(/^CN=/),
        issuer: expect.stringMatching(/^CN=/),
        notBefore: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        notAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        thumbprintSha256: expect.stringMatching(/^[0-9A-F]{64}$/),
      },
    });
  });

  it('websocket: a web server that upgrades nothing', async () => {
    const port = await listen(
      createTlsServer(site, (socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'));
      }),
    );
    expect(await failure(`localhost:${port}`, { transport: 'mqtt-websocket' })).toMatchObject({
      kind: 'websocket',
      message: expect.stringMatching(/HTTP 404 Not Found.*gateway answers in place/),
    });
  });

  it('websocket: a cut in place of an answer', async () => {
    const port = await listen(createTlsServer(site, (socket) => socket.once('data', () => socket.destroy())));
    expect(await failure(`localhost:${port}`, { transport: 'mqtt-websocket' })).toMatchObject({
      kind: 'websocket',
      message: expect.stringMatching(/cuts WebSocket/),
    });
  });

  it.each<[string, MiddleboxMode, RegExp]>([
    ['all is swallowed', { isBlackHole: true }, /no TLS handshake.*, 0 received.*firewall.*or look at the MTU/],
    [
      'the server’s certificate is swallowed for its size',
      { swallow: { above: 1_200, towards: 'client' } },
      /no TLS handshake.*, 0 received.*or look at the MTU/,
    ],
    [
      'the device’s certificate is swallowed for its size',
      // Above what a ClientHello of Node 24 has.
      { swallow: { above: 1_700, towards: 'server' } },
      /no TLS handshake.*, [1-9]\d* received.*Small packets pass and large ones vanish: look at the MTU/,
    ],
  ])('timeout: in the handshake, where %s', async (_, mode, message) => {
    const server = createTlsServer({ ...site, maxVersion: 'TLSv1.2', requestCert: true, rejectUnauthorized: false });
    const port = await middlebox(mode, await listen(server));
    const large = makeTlsSite(['device'], { bits: 4096 });
    const withCertificate = createSecureContext({ cert: large.cert + large.rootPem, key: large.key });
    trustRoots(withCertificate, site.rootPem);
    const error = await failure(`hub.localhost:${port}`, { timeoutMs: 200, secureContext: withCertificate });
    expect(error).toMatchObject({ kind: 'timeout', message: expect.stringMatching(message) });
  });

  it.each([
    [{ step: 'dns' }, 'dns', /no answer from a name server for hub within 2 s/],
    [{ step: 'tcp' }, 'timeout', /no TCP connection to hub:8883 within 2 s.*let port 8883 out/],
    [{ step: 'tls', socket: { bytesRead: 0, bytesWritten: 1_700 } }, 'timeout', /firewall.*or look at the MTU/],
  ] as const)('timeout: at %j', (progress, kind, message) => {
    expect(toTimeout({ name: 'hub', port: 8883 }, progress, 2_000)).toMatchObject({
      kind,
      message: expect.stringMatching(message),
    });
  });

  it('timeout: at the WebSocket upgrade', async () => {
    const port = await listen(createTlsServer(site, (socket) => socket.resume()));
    expect(await failure(`localhost:${port}`, { transport: 'mqtt-websocket', timeoutMs: 200 })).toMatchObject({
      kind: 'timeout',
      message: expect.stringMatching(/no answer.*WebSocket upgrade within 0\.2 s/),
    });
  });

  it.each(['127.0.0.1:0', 'a b', 'name:70000', 'https://name', ''])('TypeError: host %j', async (host) => {
    await expect(open(host)).rejects.toThrow(TypeError);
  });
});

describe('a signal', () => {
  it('ends an attempt before it begins, in the handshake and at the upgrade, with its reason', async () => {
    const reason = new Error('enough');
    await expect(open('hub.localhost', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    for (const [server, transport] of [
      [createServer((socket) => socket.resume()), 'mqtt'],
      [createTlsServer(site, (socket) => socket.resume()), 'mqtt-websocket'],
    ] as const) {
      const port = await listen(server);
      const stop = new AbortController();
      const event = transport === 'mqtt' ? 'connection' : 'secureConnection';
      const [rejected] = await Promise.all([
        open(`localhost:${port}`, { transport, signal: stop.signal }).catch((error: unknown) => error),
        once(server, event).then(([socket]: TLSSocket[]) => {
          stop.abort(reason);
          return once(socket!, 'close');
        }),
      ]);
      expect(rejected).toBe(reason);
    }
  });
});

describe('through a proxy', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)('ok: %s, with credentials', async (transport) => {
    const proxy = await proxyWith({ credentials: 'dévice:p@ss:w' });
    const url = `http://${encodeURIComponent('dévice')}:${encodeURIComponent('p@ss:w')}@127.0.0.1:${proxy.port}`;
    const host = azure.cloud.provisioningDeviceEndpoint;
    expect(await speakMqtt(await open(host, { transport, proxy: { url } }))).toBe('connack');
    expect(proxy.targets).toEqual([host]);
  });

  it('ok: TLS to the proxy itself, and TLS inside', async () => {
    const proxy = await proxyWith({ tls: site });
    const settings = { url: `https://localhost:${proxy.port}`, trustedRootsPem: site.rootPem };
    const stream = await open(azure.cloud.provisioningDeviceEndpoint, { proxy: settings });
    expect(await speakMqtt(stream)).toBe('connack');
  });

  it('ok: straight there where noProxy says so', async () => {
    const proxy = { url: 'http://user:secret@127.0.0.1:1', noProxy: 'example.com, .localhost' };
    expect(await speakMqtt(await open(azure.cloud.provisioningDeviceEndpoint, { proxy }))).toBe('connack');
  });

  it.each<[string, HttpProxyOptions, string, string, RegExp]>([
    [
      'credentials are missing',
      { credentials: 'a:b' },
      '',
      'proxy',
      /407.*wants a user and a password.*user:password@.*proxy\.user and proxy\.passwordFile/,
    ],
    ['credentials are wrong', { credentials: 'a:b' }, 'user:secret@', 'proxy', /407.*does not accept this user/],
    [
      'it has no Basic',
      { refusal: '407 Denied\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM' },
      '',
      'proxy',
      /wants Negotiate or NTLM, and this agent has Basic alone/,
    ],
    ['the port is not allowed', { refusal: '403 Forbidden' }, '', 'proxy', /403 Forbidden.*allow CONNECT/],
    [
      'it can’t reach the host',
      { refusal: '502 Bad Gateway' },
      '',
      'proxy',
      /502.*can't reach hub\.localhost:1 itself/,
    ],
    ['a portal redirects', { refusal: '302 Found\r\nLocation: http://portal' }, '', 'captive-portal', /sign in/],
    ['a portal says so', { refusal: '511 Network Authentication Required' }, '', 'captive-portal', /sign in/],
    ['it is silent', { isSilent: true }, 'user:secret@', 'timeout', /no way through the proxy to hub\.localhost:1/],
  ])('fail: %s', async (_, options, credentials, kind, message) => {
    const { port } = await proxyWith(options);
    const proxy = { url: `http://${credentials}127.0.0.1:${port}` };
    const error = await failure('hub.localhost:1', { proxy, timeoutMs: 1_000 });
    expect(error).toMatchObject({ kind, message: expect.stringMatching(message) });
    expect(JSON.stringify([error.message, error.stack, String(error.cause)])).not.toMatch(/secret|dXNlcj/);
  });

  it('fail: it is not there, not trusted, or no proxy at all', async () => {
    const secure = await proxyWith({ tls: site });
    const other = await listen(createServer((socket) => socket.once('data', () => socket.end('hello\r\n\r\n'))));
    const portOf = (url: string): Promise<ConnectionError> => failure('hub.localhost:1', { proxy: { url } });
    expect(await portOf(`http://127.0.0.1:${await closedPort()}`)).toMatchObject({
      kind: 'proxy',
      message: expect.stringMatching(/proxy can't be reached: .*ECONNREFUSED/),
    });
    expect(await portOf(`https://localhost:${secure.port}`)).toMatchObject({
      kind: 'proxy',
      serverCertificate: { subject: 'CN=localhost' },
      advice: expect.stringMatching(/of the proxy, in a configuration file proxy\.trustedRootsFile/),
    });
    expect(await portOf(`http://127.0.0.1:${other}`)).toMatchObject({
      kind: 'proxy',
      message: expect.stringMatching(/not HTTP.*Check that this is an HTTP proxy/),
    });
  });

  it.each(['socks5://user:secret@localhost', 'user:secret@localhost:1', 'no url'])('TypeError: %j', async (url) => {
    const error = await open('hub.localhost', { proxy: { url } }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).not.toMatch(/secret/);
  });
});
