import { execFileSync, spawn } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  type CertificateAuthority,
} from '@contoso/pki';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { estSource, loadIdentity, type DeviceIdentity, type EstOptions, type RenewalRequest } from '../src/index.ts';
import { createNewKey } from '../src/renewal/new-key.ts';
import { certsOnly, selfSigned, startEstServer, type EstServer } from './est-server.ts';
import { startHttpProxy } from './http-proxy.ts';

let root: CertificateAuthority;
let line: CertificateAuthority;
let est: EstServer;
let current: DeviceIdentity;
let request: RenewalRequest;
let privateKeyPem: string;
const servers: Server[] = [];

beforeAll(async () => {
  root = await createRootAuthority({ commonName: 'Contoso Root CA' });
  line = await createLineAuthority(root, { lineName: 'line-1' });
  est = await startEstServer({ line });
  current = await loadIdentity(await issueDeviceCertificate(line, { registrationId: 'thermostat-1' }));
  const { key, csrDer } = await createNewKey(current, 'P-256');
  privateKeyPem = 'privateKeyPem' in key ? key.privateKeyPem : '';
  request = { registrationId: 'thermostat-1', csrDer, current, checkServerTime: () => undefined };
});

beforeEach(() => {
  est.answer = () => undefined;
  est.requests.length = 0;
});

afterAll(async () => {
  await est.close();
  for (const server of servers) server.close();
});

const renew = (options: Partial<EstOptions> = {}, changed: Partial<RenewalRequest> = {}): Promise<string> =>
  estSource({ url: est.url, trustedRootsPem: est.trustedRootsPem, ...options }).renew(
    { ...request, ...changed },
    AbortSignal.timeout(20_000),
  );

describe('estSource', () => {
  it('ok: re-enrols with the certificate that it has, and completes the chain from /cacerts', async () => {
    const identity = await loadIdentity({ chainPem: await renew(), privateKeyPem });
    expect(identity.chainSubjects).toEqual(['CN=thermostat-1', 'CN=line-1', 'CN=Contoso Root CA']);
    expect(identity.leftOut).toEqual([]);
    expect(identity.thumbprintSha256).not.toBe(current.thumbprintSha256);
    expect(est.requests.map(({ method, path, client }) => `${method} ${path} ${client ?? ''}`)).toEqual([
      'GET /.well-known/est/cacerts thermostat-1',
      'POST /.well-known/est/simplereenroll thermostat-1',
    ]);
    expect(est.requests[1]?.headers).toMatchObject({
      'content-type': 'application/pkcs10',
      'content-transfer-encoding': 'base64',
    });
  });

  it('ok: what it sends is a request that OpenSSL verifies, in lines that every reader of base64 takes', async () => {
    await renew();
    const { body = '' } = est.requests[1] ?? {};
    const text = execFileSync('openssl', ['req', '-inform', 'DER', '-verify', '-noout', '-subject'], {
      input: Buffer.from(body, 'base64'),
      encoding: 'utf8',
      stdio: 'pipe',
    });
    expect(text).toMatch(/subject=CN = thermostat-1/);
    expect(Math.max(...body.split('\n').map(({ length }) => length))).toBe(64);
  });

  it('ok: a label, answers as DER, and a line that sends its own chain along', async () => {
    const labelled = await startEstServer({ line, label: 'line 1'.replace(' ', '-') });
    labelled.answer = ({ path }) =>
      path.endsWith('cacerts') ? certsOnly(root.certificatePem + line.chainPem, 'der') : undefined;
    const chainPem = await renew({ url: labelled.url, trustedRootsPem: labelled.trustedRootsPem, label: 'line-1' });
    await labelled.close();
    expect((await loadIdentity({ chainPem, privateKeyPem })).chainSubjects).toHaveLength(3);
  });

  it('ok: through a proxy', async () => {
    const proxy = await startHttpProxy({ credentials: 'device:secret' });
    await renew({ proxy: { url: `http://device:secret@localhost:${proxy.port}` } });
    await proxy.close();
    expect(proxy.targets).toEqual([new URL(est.url).host, new URL(est.url).host]);
  });

  it('shows the server time before it asks for anything, and asks for nothing if that says no', async () => {
    const date = new Date('2030-01-01T00:00:00Z');
    est.answer = () => ({ headers: { date: date.toUTCString() } });
    const wrong = new Error('the clock is wrong');
    const seen: Date[] = [];
    const checkServerTime = (time: Date): void => {
      seen.push(time);
      throw wrong;
    };
    await expect(renew({}, { checkServerTime })).rejects.toBe(wrong);
    expect(seen).toEqual([date]);
    expect(est.requests).toHaveLength(1);
  });

  it.each<[string, string, RegExp, object, { status: number; headers?: Record<string, string>; body?: string }]>([
    [
      '202 with seconds',
      'ERR_AGENT_RENEWAL_PENDING',
      /not decided.*approve/,
      { retryAfterMs: 120_000 },
      { status: 202, headers: { 'retry-after': '120' } },
    ],
    [
      '202 with a date',
      'ERR_AGENT_RENEWAL_PENDING',
      /not decided/,
      { retryAfterMs: 3_600_000 },
      {
        status: 202,
        headers: { date: 'Tue, 01 Dec 2026 10:00:00 GMT', 'retry-after': 'Tue, 01 Dec 2026 11:00:00 GMT' },
      },
    ],
    ['202 without', 'ERR_AGENT_RENEWAL_PENDING', /not decided/, { retryAfterMs: 900_000 }, { status: 202 }],
    ['204', 'ERR_AGENT_RENEWAL_REFUSED', /HTTP 204.*label/, {}, { status: 204 }],
    [
      '301',
      'ERR_AGENT_RENEWAL_REFUSED',
      /points to https:\/\/other.*follows nobody/,
      {},
      { status: 301, headers: { location: 'https://other/' } },
    ],
    [
      '400',
      'ERR_AGENT_RENEWAL_REFUSED',
      /HTTP 400: key too short\..*another kind of key/,
      {},
      { status: 400, body: 'key too short.\n' },
    ],
    ['401', 'ERR_AGENT_RENEWAL_REFUSED', /HTTP 401\..*user and password/, {}, { status: 401, body: '<html>no</html>' }],
    ['403', 'ERR_AGENT_RENEWAL_REFUSED', /HTTP 403.*revoked/, {}, { status: 403 }],
    ['404', 'ERR_AGENT_RENEWAL_REFUSED', /HTTP 404.*check URL and label/, {}, { status: 404 }],
    ['418', 'ERR_AGENT_RENEWAL_REFUSED', /HTTP 418.*log of the server/, {}, { status: 418 }],
    [
      '429',
      'ERR_AGENT_RENEWAL_UNREACHABLE',
      /HTTP 429.*tries again/,
      { retryAfterMs: 60_000 },
      { status: 429, headers: { 'retry-after': '60' } },
    ],
    ['503', 'ERR_AGENT_RENEWAL_UNREACHABLE', /HTTP 503.*trouble of its own/, {}, { status: 503 }],
    [
      'a page of HTML',
      'ERR_AGENT_RENEWAL_CERTIFICATE',
      /no certs-only CMS message.*RFC 7030/,
      {},
      { status: 200, body: '<html></html>' },
    ],
    ['nothing', 'ERR_AGENT_RENEWAL_CERTIFICATE', /0 bytes of something else/, {}, { status: 200, body: '' }],
    [
      'without end',
      'ERR_AGENT_RENEWAL_UNREACHABLE',
      /more than 1048576 bytes/,
      {},
      { status: 200, body: 'x'.repeat(2 ** 20 + 1) },
    ],
  ])('fail: the server answers %s', async (_, code, message, details, answer) => {
    est.answer = ({ path }) => (path.endsWith('reenroll') ? answer : undefined);
    await expect(renew()).rejects.toMatchObject({ code, message: expect.stringMatching(message), ...details });
  });

  it("fail: a server under another root, though one of Node's", async () => {
    const failed = renew({ trustedRootsPem: selfSigned().cert });
    await expect(failed).rejects.toMatchObject({
      code: 'ERR_AGENT_SERVER_UNTRUSTED',
      failure: 'untrusted-server',
      certificate: { whose: 'server', subject: 'CN=localhost' },
      advice: expect.stringMatching(/estSource, in a configuration file renewal\.est\.trustedRootsFile/),
    });
  });

  it("fail: a device of another maker, told by OpenSSL's server, and not told by Node's", async () => {
    const otherRoot = await createRootAuthority({ commonName: 'Fabrikam Root CA' });
    const otherLine = await createLineAuthority(otherRoot, { lineName: 'line-1' });
    const stranger = await loadIdentity(await issueDeviceCertificate(otherLine, { registrationId: 'stranger' }));
    const certificate = { subject: 'CN=stranger' };
    await expect(renew({}, { current: stranger })).rejects.toMatchObject({
      code: 'ERR_AGENT_RENEWAL_UNREACHABLE',
      certificate,
      advice: expect.stringMatching(/does not take its certificate \(CN=stranger/),
    });
    const server = await startOpenSslServer(root.certificatePem);
    const told = renew({ url: server.url, trustedRootsPem: server.trustedRootsPem }, { current: stranger });
    await expect(told).rejects.toMatchObject({
      code: 'ERR_AGENT_RENEWAL_REFUSED',
      certificate,
      advice: expect.stringMatching(/trust the authority/),
    });
    server.close();
  });

  it('fail: nobody there, nobody who answers, somebody who hangs up', async () => {
    const silent = createServer();
    servers.push(silent);
    await once(silent.listen(0, 'localhost'), 'listening');
    const { port } = silent.address() as AddressInfo;
    await expect(renew({ url: `https://localhost:${port}`, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'ERR_AGENT_RENEWAL_UNREACHABLE',
      failure: 'timeout',
    });
    silent.close();
    silent.on('connection', (socket) => socket.destroy());
    await expect(renew({ url: 'https://localhost:9' })).rejects.toMatchObject({
      code: 'ERR_AGENT_RENEWAL_UNREACHABLE',
      failure: 'tcp',
    });
  });

  it('is for https, and ends with its signal', async () => {
    expect(() => estSource({ url: 'http://est.contoso.com', trustedRootsPem: '' })).toThrow(TypeError);
    const stop = AbortSignal.abort(new Error('stopped'));
    const source = estSource({ url: est.url, trustedRootsPem: est.trustedRootsPem });
    await expect(source.renew(request, stop)).rejects.toThrow('stopped');
  });
});

/** A TLS server that takes devices under one root, and tells others why not. */
async function startOpenSslServer(
  rootPem: string,
): Promise<{ readonly url: string; readonly trustedRootsPem: string; close(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'openssl-server-'));
  const { cert, key } = selfSigned();
  writeFileSync(join(folder, 'root.pem'), rootPem);
  writeFileSync(join(folder, 'server.pem'), cert + key, { mode: 0o600 });
  const verifying = ['-Verify', '3', '-verify_return_error', '-CAfile', 'root.pem'];
  const port = await freePort();
  const server = spawn('openssl', ['s_server', '-accept', `${port}`, '-cert', 'server.pem', '-www', ...verifying], {
    cwd: folder,
    stdio: 'ignore',
  });
  while (!(await isListening(port)));
  return {
    url: `https://localhost:${port}`,
    trustedRootsPem: cert,
    close: () => {
      server.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, 'localhost', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

describe('the request of a new key', () => {
  it.each([
    ['P-256', 'ec', 'prime256v1'],
    ['P-384', 'ec', 'secp384r1'],
    ['RSA-2048', 'rsa', 2048],
    ['as-before', 'ec', 'prime256v1'],
  ] as const)('ok: %s', async (algorithm, type, size) => {
    const { csrDer } = await createNewKey(current, algorithm);
    const spki = execFileSync('openssl', ['req', '-inform', 'DER', '-verify', '-noout', '-pubkey'], {
      input: csrDer,
      stdio: 'pipe',
    });
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey(spki);
    expect([asymmetricKeyType, asymmetricKeyDetails?.namedCurve ?? asymmetricKeyDetails?.modulusLength]).toEqual([
      type,
      size,
    ]);
  });

  it('ok: names as in the certificate that it renews, to the byte', async () => {
    const made = execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:3072',
        '-nodes',
        '-subj',
        '/O=Contoso/OU=Ünit/CN=named',
        '-utf8',
        '-addext',
        'subjectAltName=DNS:named.contoso.com',
        '-addext',
        'basicConstraints=critical,CA:FALSE',
        '-keyout',
        '-',
      ],
      { encoding: 'utf8', stdio: 'pipe' },
    );
    const named = await loadIdentity({ chainPem: made, privateKeyPem: made });
    const { csrDer } = await createNewKey(named, 'as-before');
    const text = execFileSync('openssl', ['req', '-inform', 'DER', '-noout', '-text', '-verify'], {
      input: csrDer,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    expect(text).toMatch(/DNS:named\.contoso\.com/);
    expect(text).toMatch(/3072 bit/);
    const subject = new X509Certificate(made).raw;
    const name = Buffer.from('Ünit');
    expect(subject.includes(name) && Buffer.from(csrDer).includes(name)).toBe(true);
  });

  it('fail: a kind of key that is not made', async () => {
    const made = execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=odd', '-keyout', '-'],
      { encoding: 'utf8', stdio: 'pipe' },
    );
    const odd = await loadIdentity({ chainPem: made, privateKeyPem: made });
    await expect(createNewKey(odd, 'as-before')).rejects.toMatchObject({
      code: 'ERR_AGENT_IDENTITY_INVALID',
      message: expect.stringMatching(/kind: ed25519.*P-256/),
    });
  });
});
