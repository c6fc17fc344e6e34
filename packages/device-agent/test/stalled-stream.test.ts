import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { provision } from '../src/index.ts';
import { ConnectionError } from '../src/network/connection-error.ts';
import { adviseByProbe, probeHttp } from '../src/network/http-probe.ts';
import { openStream, type Transport } from '../src/network/open-stream.ts';
import { connectTcp } from '../src/network/tcp-connection.ts';
import { createDeviceSecureContext } from '../src/identity/secure-context.ts';
import { HubSession } from '../src/protocol/hub-session.ts';
import { issueIdentity, startContoso, type Contoso } from './contoso.ts';
import { ManualClock } from './manual-clock.ts';
import { startMiddlebox, type Middlebox } from './middlebox.ts';
import { startProbeServer } from './probe-server.ts';

let contoso: Contoso;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(() => contoso.close());

/** A device's session with its hub through a middlebox, which stands in for the network. */
async function sessionThrough(
  deviceId: string,
  transport: Transport,
): Promise<{ session: HubSession; box: Middlebox; clock: ManualClock }> {
  const identity = await issueIdentity(contoso, deviceId);
  const { trustedRootsPem, provisioningDeviceEndpoint: endpoint } = contoso.azure.cloud;
  await provision({ identity, provisioning: { idScope: contoso.idScope, endpoint }, trustedRootsPem });
  const box = await startMiddlebox(contoso.azure.mqttPort);
  closers.push(() => box.close());
  const secureContext = createDeviceSecureContext(identity, trustedRootsPem);
  const clock = new ManualClock();
  const session = await HubSession.open(
    {
      identity,
      address: { hostName: contoso.hub.hostName, deviceId },
      openStream: (host, signal) =>
        openStream({ host: `${host.split(':')[0] ?? ''}:${box.port}`, transport, secureContext, signal }),
      clock,
      keepAliveSeconds: 60,
      onMessage: () => undefined,
      onMethod: () => Promise.resolve({ status: 200, payload: Buffer.from('null') }),
      onDesiredPatch: () => undefined,
    },
    new AbortController().signal,
  );
  return { session, box, clock };
}

describe('a connection that goes silent', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)(
    'over %s is found by the keep-alive within its time, though TCP says nothing',
    async (transport) => {
      const { session, box, clock } = await sessionThrough(`silent-${transport}`, transport);
      let isOver = false;
      void session.ended.then(() => {
        isOver = true;
      });
      await clock.advance(30_000);
      expect(isOver).toBe(false);
      box.mode.isBlackHole = true;
      await clock.advance(90_000);
      await expect(session.ended).resolves.toMatchObject({ code: 'ERR_AGENT_HUB_UNREACHABLE' });
    },
  );

  it('is found at once where the network cuts it', async () => {
    const { session, box } = await sessionThrough('cut', 'mqtt');
    await box.close();
    await expect(session.ended).resolves.toMatchObject({ code: 'ERR_AGENT_HUB_UNREACHABLE', failure: 'closed' });
  });

  it('in the middle of a delay is not given up', async () => {
    const { session, box } = await sessionThrough('slow', 'mqtt');
    box.mode.delayMs = 20;
    await session.subscribe();
    await expect(session.getTwin()).resolves.toMatchObject({ desired: expect.anything() });
    await session.close();
  });
});

describe('a slow link', () => {
  it('carries the largest message that a hub takes, though it takes longer than an answer may', async () => {
    const { session, box, clock } = await sessionThrough('thin', 'mqtt');
    // The agent's time goes by 300 times faster: 4,000 bytes a second by its clock.
    box.mode.bytesPerMs = 1_200;
    const beganMs = Date.now();
    const sent = session.send({
      ...{ messageId: 'large', body: Buffer.alloc(250_000), contentType: 'a/b', contentEncoding: '', properties: {} },
      ...{ createdAt: '', addedMs: 0, priority: 'normal', size: 250_000, sequence: 1 },
    });
    const progress = { isSent: false };
    void sent.then(() => (progress.isSent = true));
    let agentMs = 0;
    while (!progress.isSent) {
      const due = (Date.now() - beganMs) * 300 - agentMs;
      agentMs += due;
      await clock.advance(due);
    }
    await sent;
    expect(agentMs).toBeGreaterThan(45_000);
    await session.close();
  });
});

/** A process that hangs with its queue of connections full: whoever else comes gets no answer from its system. */
async function listenWithoutAccepting(host: string, port: number): Promise<void> {
  const program = `const server = require('node:net').createServer().listen({ host: '${host}', port: ${port}, backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'listening');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  closers.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  for (let index = 0; index < 2; index += 1) {
    const filling = connect({ host, port }).on('error', () => undefined);
    closers.push(() => filling.destroy());
    await once(filling, 'connect');
  }
}

describe('addresses of a server', () => {
  it('are tried beside each other: one that never answers holds nobody up, and is let go', async () => {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    await listenWithoutAccepting('127.0.0.2', port);
    const addresses = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    const before = sockets();
    const connecting = connectTcp({ name: 'server', port }, addresses, new AbortController().signal);
    const [[accepted], socket] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, connecting]);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
    await once(accepted, 'close');
    expect(sockets()).toBeLessThanOrEqual(before);
  });

  it('that fail all give one error that names each reason', async () => {
    const addresses = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    await expect(
      connectTcp({ name: 'server', port: 1 }, addresses, new AbortController().signal),
    ).rejects.toMatchObject({
      kind: 'tcp',
      detail: expect.stringMatching(/no TCP connection to server:1: .*127\.0\.0\.1:1.*; .*::1:1/),
      cause: { errors: [expect.anything(), expect.anything()] },
    });
  });
});

describe('a probe', () => {
  const now = new Date('2026-11-24T12:00:00Z');
  const failure = (kind: 'untrusted-server' | 'tls' | 'dns', code = 'CERT_NOT_YET_VALID'): ConnectionError =>
    new ConnectionError(kind, {
      detail: 'it failed',
      advice: 'Look.',
      cause: Object.assign(new Error(code), { code }),
    });

  it('ok: says status, where a portal leads, and the time', async () => {
    const probe = await startProbeServer((response) =>
      response.writeHead(302, { location: 'http://portal.test/' }).end(),
    );
    closers.push(() => probe.close());
    const answer = await probeHttp(probe.url);
    expect(answer).toMatchObject({ status: 302, location: 'http://portal.test/', date: expect.any(Date) });
  });

  it('fail: what gives no HTTP, and what is no http:', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('hello\r\n\r\n'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    await expect(probeHttp(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ kind: 'tcp' });
    await expect(probeHttp('https://127.0.0.1/')).rejects.toThrow(TypeError);
  });

  it.each(['untrusted-server', 'tls'] as const)('ok: makes a failure of kind %s a captive portal', (kind) => {
    const advised = adviseByProbe(failure(kind), { status: 302, location: 'http://portal.test/' }, now);
    expect(advised).toMatchObject({
      kind: 'captive-portal',
      message: expect.stringMatching(/^it failed; plain HTTP .* 302 \(http:\/\/portal\.test\/\)\. A captive portal/),
    });
  });

  it('ok: makes a certificate that is not valid yet a clock that is behind', () => {
    const probe = { status: 204, date: new Date('2027-01-01T00:00:00Z') };
    expect(adviseByProbe(failure('untrusted-server'), probe, now)).toMatchObject({
      kind: 'untrusted-server',
      message: expect.stringMatching(/clock is behind: it says 2026-11-24.*2027-01-01.*Set the clock/),
    });
  });

  it('ok: leaves alone what it throws no light on', () => {
    for (const [error, probe] of [
      [failure('dns'), { status: 302 }],
      [failure('untrusted-server', 'SELF_SIGNED_CERT_IN_CHAIN'), { status: 204, date: new Date(0) }],
      [failure('untrusted-server'), { status: 204, date: now }],
    ] as const) {
      expect(adviseByProbe(error, probe, now)).toBe(error);
    }
  });
});
