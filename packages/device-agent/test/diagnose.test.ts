import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { putIndividualEnrollment } from '@contoso/dps-admin';
import { createLineAuthority, issueDeviceCertificate, signDeviceRequest } from '@contoso/pki';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { dpsCheck, hubCheck } from '../src/diagnosis/azure-checks.ts';
import { clockCheck } from '../src/diagnosis/clock-check.ts';
import { examine } from '../src/diagnosis/diagnose.ts';
import { thisMachine, type Machine } from '../src/diagnosis/machine.ts';
import { networkChecks } from '../src/diagnosis/network-checks.ts';
import { serverChecks } from '../src/diagnosis/server-checks.ts';
import {
  diagnose,
  exitCode,
  formatDiagnosis,
  loadIdentity,
  systemClock,
  type CheckName,
  type DiagnoseOptions,
  type Diagnosis,
  type DiagnosisCheck,
} from '../src/index.ts';
import { takeFolderLock } from '../src/state/folder-lock.ts';
import { draftDatabase, placeDraft } from '../src/state/schema.ts';
import { dpsName, startContoso, watchedAgent, type Contoso } from './contoso.ts';
import { startHttpProxy, type HttpProxyOptions } from './http-proxy.ts';
import { startMiddlebox, type MiddleboxMode } from './middlebox.ts';
import { startProbeServer } from './probe-server.ts';
import { makeTlsSite, type TlsSite } from './tls-site.ts';

let contoso: Contoso;
let folder: string;
let site: TlsSite;
let probeUrl: string;
let count = 0;
const closers: (() => unknown)[] = [];
const closersAtEnd: (() => unknown)[] = [];

beforeAll(async () => {
  contoso = await startContoso();
  folder = mkdtempSync(join(tmpdir(), 'diagnose-'));
  site = makeTlsSite(['localhost', 'hub.localhost']);
  const probe = await startProbeServer();
  probeUrl = probe.url;
  closersAtEnd.push(
    () => probe.close(),
    () => rmSync(folder, { recursive: true }),
    () => contoso.close(),
  );
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(async () => {
  for (const close of closersAtEnd) await close();
});

/** Options of a device that nobody has seen yet, on the emulator. */
async function newDevice(
  changes: Partial<DiagnoseOptions> = {},
): Promise<DiagnoseOptions & { registrationId: string }> {
  count += 1;
  const registrationId = `doctor-${count}`;
  const { chainPem, privateKeyPem } = await issueDeviceCertificate(contoso.line, { registrationId });
  return {
    registrationId,
    identity: { chainPem, privateKeyPem },
    connectTo: { idScope: contoso.idScope, endpoint: contoso.azure.cloud.provisioningDeviceEndpoint },
    stateFolder: join(folder, registrationId),
    trustedRootsPem: contoso.azure.cloud.trustedRootsPem + site.rootPem,
    probeUrl,
    timeoutMs: 3_000,
    ...changes,
  };
}

const look = async (changes: Partial<DiagnoseOptions> = {}, machine: Partial<Machine> = {}): Promise<Diagnosis> =>
  examine(await newDevice(changes), { ...thisMachine, ...machine });

const checkOf = (diagnosis: Diagnosis, name: CheckName): DiagnosisCheck =>
  diagnosis.checks.find((check) => check.name === name)!;

const hubAt = (hostName: string): Partial<DiagnoseOptions> => ({ connectTo: { hostName, deviceId: 'doctor' } });
const dpsAt = (endpoint: string): Partial<DiagnoseOptions> => ({ connectTo: { idScope: contoso.idScope, endpoint } });

const middlebox = async (mode: MiddleboxMode, port = contoso.azure.mqttPort): Promise<number> => {
  const box = await startMiddlebox(port, mode);
  closers.push(() => box.close());
  return box.port;
};

const closedPort = async (): Promise<number> => {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

const proxyUrl = async (options: HttpProxyOptions = {}): Promise<string> => {
  const proxy = await startHttpProxy(options);
  closers.push(() => proxy.close());
  return `http://user:secret@127.0.0.1:${proxy.port}`;
};

/** TLS that is trusted, and behind it a web server that forbids everything. */
const webServerPort = async (): Promise<number> => {
  const server = createTlsServer(site, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
};

const probeThat = async (...answer: Parameters<typeof startProbeServer>): Promise<Partial<DiagnoseOptions>> => {
  const probe = await startProbeServer(...answer);
  closers.push(() => probe.close());
  return { probeUrl: probe.url };
};

const clockOffBy = (ms: number): Partial<DiagnoseOptions> => ({
  clock: { ...systemClock, now: () => new Date(Date.now() + ms) },
});

const withFault = (fault: Parameters<Contoso['azure']['faults']['add']>[0]): Partial<DiagnoseOptions> => {
  contoso.azure.faults.add(fault);
  closers.push(() => contoso.azure.faults.clear());
  return {};
};

describe('a diagnosis', () => {
  it('ok: of a new device that everything is right with, which changes nothing but registering it', async () => {
    const seen: string[] = [];
    const options = await newDevice({ onCheck: ({ name }) => seen.push(name) });
    const diagnosis = await diagnose(options);
    expect(diagnosis.checks.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(exitCode(diagnosis)).toBe(0);
    expect(diagnosis.registrationId).toBe(options.registrationId);
    expect(diagnosis.checks.length).toBeGreaterThanOrEqual(25);
    expect(seen).toEqual(diagnosis.checks.map(({ name }) => name));
    expect(checkOf(diagnosis, 'dps-registration').detail).toMatch(/belongs to .* \(registered, as the agent does\)/);
    // No agent has made the folder, so none can run there.
    expect(checkOf(diagnosis, 'hub-connection')).toMatchObject({ status: 'ok' });
    expect(checkOf(diagnosis, 'tls-hub').detail).toMatch(/^TLSv1\.[23]; CN=.*issued by CN=/);
    expect(checkOf(await diagnose(options), 'dps-registration').detail).toMatch(/\(looked up\)/);
    expect(contoso.azure.dps(dpsName).registerCalls(options.registrationId)).toBe(1);
  });

  it('ok: as text and JSON, with the fix below what failed and no control character of others', async () => {
    const diagnosis = await look({ ...hubAt(`hub.localhost:${await closedPort()}`), ...(await probeThat()) });
    expect(exitCode(diagnosis)).toBe(1);
    const text = formatDiagnosis(diagnosis);
    expect(text).toMatch(/^Diagnosis of doctor-\d+ at 20.*\nok {8}Node\.js is supported: /);
    expect(text).toMatch(/\nFAILED {4}IoT hub: port 8883.*ECONNREFUSED.*\n {10}-> Nothing listens there/);
    expect(text).toMatch(/\nskipped {3}IoT hub: TLS, and whose certificate: stands on port-8883-hub, which failed\n/);
    expect(text).toMatch(/\n1 failed, \d warnings, \d+ ok, \d+ skipped$/);
    expect(JSON.parse(JSON.stringify(diagnosis))).toEqual(diagnosis);
    const hostile = { ...diagnosis, registrationId: 'a\u001b[2J\u009b' };
    expect(formatDiagnosis(hostile)).toMatch(/^Diagnosis of a\?\[2J\? at/);
  });

  it('ok: through a proxy that wants credentials, which appear nowhere', async () => {
    const proxy = { url: await proxyUrl({ credentials: 'user:secret' }) };
    const diagnosis = await look({ proxy });
    expect(exitCode(diagnosis)).toBe(0);
    expect(checkOf(diagnosis, 'proxy').detail).toMatch(/lets .* through/);
    expect(checkOf(diagnosis, 'dns-dps').detail).toBe('the proxy looks names up');
    expect(JSON.stringify(diagnosis)).not.toMatch(/secret|dXNlcj/);
  });

  it('ok: an agent that runs keeps its hub connection, and registers itself', async () => {
    const options = await newDevice();
    mkdirSync(options.stateFolder);
    const held = takeFolderLock(options.stateFolder);
    expect(checkOf(await diagnose(options), 'dps-registration')).toMatchObject({
      status: 'skipped',
      detail: expect.stringMatching(/left to it/),
    });
    expect(contoso.azure.dps(dpsName).registerCalls(options.registrationId)).toBe(0);
    held.release();
    await diagnose(options);
    const again = takeFolderLock(options.stateFolder);
    expect(checkOf(await diagnose(options), 'hub-connection')).toMatchObject({
      status: 'skipped',
      detail: expect.stringMatching(/the agent runs, and a second connection would throw its own out/),
    });
    again.release();
    expect(checkOf(await diagnose(options), 'hub-connection').status).toBe('ok');
  });

  it('ok: of a device that lives on its renewed certificate, while it runs and after', async () => {
    const options = await newDevice();
    const identity = await loadIdentity(options.identity);
    const watched = watchedAgent(contoso, identity, {
      stateFolder: options.stateFolder,
      renewal: {
        onboardingOnly: true,
        source: async (csrDer, { registrationId }) =>
          (await signDeviceRequest(contoso.line, csrDer, { registrationId, validityDays: 90 })).chainPem,
      },
    });
    closers.push(() => watched.agent.stop(0));
    await watched.agent.start();
    const { certificate } = await watched.next('certificate-renewed');
    await watched.next('connecting', (event) => event.certificate.thumbprintSha256 === certificate.thumbprintSha256);
    expect(checkOf(await diagnose(options), 'credential').detail).toContain(certificate.thumbprintSha256);
    await watched.agent.stop();
    const diagnosis = await diagnose(options);
    expect(diagnosis.checks.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(checkOf(diagnosis, 'credential').detail).toContain(`a renewed one, SHA-256 ${certificate.thumbprintSha256}`);
    expect(checkOf(diagnosis, 'certificate-valid').detail).toContain(certificate.notAfter);
    expect(checkOf(diagnosis, 'hub-connection').status).toBe('ok');
  });

  it('fail: ends with its signal', async () => {
    const reason = new Error('enough');
    await expect(look({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    const port = await middlebox({ isBlackHole: true });
    const looking = look({
      ...hubAt(`hub.localhost:${port}`),
      signal: stop.signal,
      onCheck: ({ name }) => name === 'port-8883-hub' && setImmediate(() => stop.abort(reason)),
    });
    await expect(looking).rejects.toBe(reason);
  });
});

interface Case {
  readonly name: CheckName;
  readonly status: 'warning' | 'failed' | 'skipped';
  readonly what: string;
  readonly provoke: () => Promise<Partial<DiagnoseOptions>> | Partial<DiagnoseOptions>;
  readonly machine?: Partial<Machine>;
  readonly detail: RegExp;
  readonly fix?: RegExp;
}

const redirect: Parameters<typeof startProbeServer>[0] = (response) =>
  response.writeHead(302, { location: 'http://portal.test/login' }).end();

const cases: readonly Case[] = [
  {
    name: 'trusted-roots',
    status: 'failed',
    what: 'a Node without one of Azure’s roots',
    provoke: () => hubAt('no-such-hub.azure-devices.net'),
    machine: { rootsPem: [] },
    detail: /DigiCert Global Root G2 and Microsoft RSA Root Certificate Authority 2017 are not among/,
    fix: /Update Node\.js/,
  },
  {
    name: 'trusted-roots',
    status: 'warning',
    what: 'a given root that has expired',
    provoke: () => clockOffBy(3_660 * 86_400_000),
    detail: /the given root CN=.* expired at/,
    fix: /root that follows it/,
  },
  {
    name: 'network-address',
    status: 'failed',
    what: 'no network',
    provoke: () => hubAt('no-such-hub.invalid'),
    machine: { addresses: () => [] },
    detail: /none but loopback/,
    fix: /Bring the network up/,
  },
  {
    name: 'captive-portal',
    status: 'failed',
    what: 'a portal',
    provoke: () => probeThat(redirect),
    detail: /answered with 302, which leads to http:\/\/portal\.test\/login/,
    fix: /sign in to this network/,
  },
  {
    name: 'captive-portal',
    status: 'skipped',
    what: 'a network without the probe’s server',
    provoke: async () => ({ probeUrl: `http://127.0.0.1:${await closedPort()}/` }),
    detail: /gives no answer, which a firewall may mean/,
  },
  {
    name: 'proxy',
    status: 'failed',
    what: 'wrong credentials',
    provoke: async () => ({ proxy: { url: await proxyUrl({ credentials: 'a:b' }) } }),
    detail: /answered CONNECT .* with 407/,
    fix: /does not accept this user and password/,
  },
  {
    name: 'proxy',
    status: 'failed',
    what: 'a proxy that is not there',
    provoke: async () => ({ proxy: { url: `http://127.0.0.1:${await closedPort()}` } }),
    detail: /proxy can't be reached/,
    fix: /take the proxy out/,
  },
  {
    name: 'proxy',
    status: 'warning',
    what: 'a proxy that refuses this target',
    provoke: async () => ({ proxy: { url: await proxyUrl({ refusal: '403 Forbidden' }) } }),
    detail: /403 Forbidden/,
    fix: /ports below/,
  },
  {
    name: 'dns-dps',
    status: 'failed',
    what: 'a name that nobody has',
    provoke: () => dpsAt('no-such-dps.invalid'),
    detail: /no-such-dps\.invalid/,
    fix: /name server/,
  },
  {
    name: 'dns-hub',
    status: 'failed',
    what: 'a hub’s name that nobody has',
    provoke: () => hubAt('no-such-hub.invalid'),
    detail: /no-such-hub\.invalid/,
    fix: /name server/,
  },
  {
    name: 'port-8883-dps',
    status: 'failed',
    what: 'a closed port',
    provoke: async () => dpsAt(`dps.localhost:${await closedPort()}`),
    detail: /ECONNREFUSED/,
    fix: /firewall/,
  },
  {
    name: 'port-8883-dps',
    status: 'warning',
    what: 'a closed port, where 443 may do',
    provoke: () => dpsAt('dps.localhost'),
    detail: /dps\.localhost:8883: .*ECONNREFUSED/,
    fix: /port 443 in its place/,
  },
  {
    name: 'port-443-dps',
    status: 'failed',
    what: 'both ports closed',
    provoke: () => dpsAt('dps.localhost'),
    detail: /dps\.localhost:443: .*ECONNREFUSED/,
    fix: /firewall/,
  },
  {
    name: 'port-443-hub',
    status: 'failed',
    what: 'a closed port for WebSocket',
    provoke: () => ({ ...hubAt('hub.localhost'), transport: 'mqtt-websocket' }),
    detail: /hub\.localhost:443/,
    fix: /firewall/,
  },
  {
    name: 'port-8883-hub',
    status: 'failed',
    what: 'a closed port, and no other transport',
    provoke: () => ({ ...hubAt('hub.localhost'), transport: 'mqtt' }),
    detail: /hub\.localhost:8883/,
    fix: /firewall/,
  },
  {
    name: 'ipv6-dps',
    status: 'warning',
    what: 'IPv6 that is announced and does not get through',
    provoke: () => ({}),
    detail: /::1 does not answer/,
    fix: /goes by IPv4/,
  },
  {
    name: 'tls-dps',
    status: 'failed',
    what: 'a root that nobody trusts',
    provoke: () => withFault({ kind: 'certificate', problem: 'otherRoot' }),
    detail: /showed a certificate that is not trusted.*CN=/,
    fix: /Trust its root/,
  },
  {
    name: 'tls-dps',
    status: 'failed',
    what: 'a portal’s certificate',
    provoke: async () => ({
      ...(await probeThat(redirect)),
      ...withFault({ kind: 'certificate', problem: 'wrongName' }),
    }),
    detail: /altnames.*plain HTTP is answered by somebody else, too, with 302/,
    fix: /captive portal: somebody has to sign in/,
  },
  {
    name: 'tls-hub',
    status: 'failed',
    what: 'a cut',
    provoke: async () => hubAt(`hub.localhost:${await middlebox({ cutAfterBytes: 50 })}`),
    detail: /handshake with .* broke off: .*ECONNRESET/,
    fix: /cuts TLS/,
  },
  {
    name: 'mtu-dps',
    status: 'failed',
    what: 'a network that swallows large packets',
    provoke: async () => ({
      ...dpsAt(`dps.localhost:${await middlebox({ swallow: { above: 1_200, towards: 'client' } })}`),
      timeoutMs: 300,
    }),
    detail: /small packet is answered, and the handshake .* gets stuck/,
    fix: /Lower the MTU/,
  },
  {
    name: 'mtu-hub',
    status: 'skipped',
    what: 'a network that swallows everything',
    provoke: async () => ({
      ...hubAt(`hub.localhost:${await middlebox({ isBlackHole: true })}`),
      timeoutMs: 300,
    }),
    detail: /small packets get no answer either/,
  },
  {
    name: 'websocket-hub',
    status: 'failed',
    what: 'a web server in place of the hub',
    provoke: async () => ({ ...hubAt(`hub.localhost:${await webServerPort()}`), transport: 'mqtt-websocket' }),
    detail: /does not upgrade to WebSocket: HTTP 403/,
    fix: /gateway answers/,
  },
  {
    name: 'websocket-dps',
    status: 'warning',
    what: 'a web server in place of DPS, with 8883 open',
    provoke: async () => dpsAt(`localhost:${await webServerPort()}`),
    detail: /does not upgrade to WebSocket: HTTP 403/,
    fix: /works over port 8883/,
  },
  {
    name: 'clock',
    status: 'failed',
    what: 'a clock that is days off, by the probe',
    provoke: () => clockOffBy(-3 * 86_400_000),
    detail: /this device says 20.*, 127\.0\.0\.1:\d+ 20/,
    fix: /NTP/,
  },
  {
    name: 'clock',
    status: 'warning',
    what: 'a clock that is minutes off, by what DPS says',
    provoke: async () => ({ ...clockOffBy(600_000), probeUrl: `http://127.0.0.1:${await closedPort()}/` }),
    detail: /this device says 20.*, global\.azure-devices-provisioning\.localhost 20/,
    fix: /NTP/,
  },
  {
    name: 'clock',
    status: 'failed',
    what: 'a clock outside of the server’s certificate',
    provoke: async () => ({
      ...withFault({ kind: 'certificate', problem: 'expired' }),
      ...hubAt(contoso.hub.hostName),
      probeUrl: `http://127.0.0.1:${await closedPort()}/`,
    }),
    detail: /shows a certificate that is valid 20/,
    fix: /NTP/,
  },
  {
    name: 'dps-registration',
    status: 'failed',
    what: 'a line that nobody enrolled',
    provoke: async () => {
      const line = await createLineAuthority(contoso.root, { lineName: 'line-9' });
      const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId: 'stranger' });
      return { identity: { chainPem, privateKeyPem } };
    },
    detail: /refused stranger \(401002/,
    fix: /enrollment group exists for CN=line-9/,
  },
  {
    name: 'dps-registration',
    status: 'failed',
    what: 'a disabled enrollment',
    provoke: async () => {
      const issued = await issueDeviceCertificate(contoso.line, { registrationId: 'blocked' });
      await putIndividualEnrollment(contoso.session, {
        dpsName,
        registrationId: 'blocked',
        certificatePem: issued.certificatePem,
        provisioningStatus: 'disabled',
      });
      return { identity: { chainPem: issued.chainPem, privateKeyPem: issued.privateKeyPem } };
    },
    detail: /refused blocked/,
    fix: /./,
  },
  {
    name: 'dps-registration',
    status: 'warning',
    what: 'a device that was moved',
    provoke: async () => {
      const { stateFolder, registrationId, identity } = await newDevice();
      mkdirSync(stateFolder);
      draftDatabase(join(stateFolder, 'agent.db'));
      placeDraft(join(stateFolder, 'agent.db'));
      const kept = JSON.stringify({
        idScope: contoso.idScope,
        configuredIdScope: contoso.idScope,
        assignedHub: 'old-hub.localhost',
        deviceId: registrationId,
      });
      const database = new Database(join(stateFolder, 'agent.db'));
      database.exec(
        `INSERT INTO device VALUES (1, '${registrationId}'); INSERT INTO fact VALUES (1, 'assignment', '${kept}')`,
      );
      database.close();
      return { stateFolder, identity };
    },
    detail: /and the agent keeps old-hub\.localhost/,
    fix: /reprovision/,
  },
  {
    name: 'hub-connection',
    status: 'failed',
    what: 'a hub that does not know the device',
    provoke: () => hubAt(contoso.hub.hostName),
    detail: /refused doctor \(CONNACK 5\)/,
    fix: /device list/,
  },
];

describe('each failure is found, named and given a fix', () => {
  it.each(cases.map((one) => [one.name, one.status, one.what, one] as const))(
    '%s: %s with %s',
    async (_name, _status, _what, { name, status, provoke, machine, detail, fix }) => {
      const diagnosis = await look(await provoke(), machine);
      const check = checkOf(diagnosis, name);
      expect(check).toMatchObject({ status, detail: expect.stringMatching(detail) });
      if (fix) expect(check.fix).toMatch(fix);
      const { checks } = diagnosis;
      expect(
        checks.filter((one) => (one.status === 'failed' || one.status === 'warning') !== (one.fix !== undefined)),
      ).toEqual([]);
      expect(JSON.stringify(diagnosis)).not.toMatch(/secret|BEGIN/);
    },
  );

  it('every check of the network is in the table', () => {
    const names = [...networkChecks, ...serverChecks('dps'), dpsCheck, ...serverChecks('hub'), clockCheck, hubCheck];
    const provoked = new Set(cases.map(({ name }) => name));
    expect(names.map(({ name }) => name).filter((name) => !provoked.has(name))).toEqual([]);
  });
});
