import { attempt } from '../network/attempt.ts';
import { certificateFacts } from '../network/certificate-facts.ts';
import { ConnectionError } from '../network/connection-error.ts';
import { adviseByProbe } from '../network/http-probe.ts';
import { openStream, type Transport } from '../network/open-stream.ts';
import { isProxied } from '../network/proxy-settings.ts';
import { reachServer } from '../network/reach-server.ts';
import { ignoreErrors } from '../network/socket-event.ts';
import { connectTcp, resolveAddresses } from '../network/tcp-connection.ts';
import type { CheckName } from './diagnosis.ts';
import type { Check, Examination } from './examination.ts';
import { failed, failedBy, ok, skipped, warning, type Outcome } from './outcome.ts';
import {
  addressFor,
  chosenTransport,
  hostOf,
  limitsOf,
  namesPort,
  secureContextOf,
  withTls,
  written,
  type ServerName,
} from './server.ts';

type ServerCheck = (examination: Examination, host: string) => Outcome | Promise<Outcome>;

/** The way to one service, step by step. */
export function serverChecks(server: ServerName): readonly Check[] {
  const title = server === 'dps' ? 'DPS' : 'IoT hub';
  const ports: CheckName[] = [`port-8883-${server}`, `port-443-${server}`];
  const check = (name: CheckName, what: string, needs: readonly CheckName[], run: ServerCheck): Check => ({
    name,
    title: `${title}: ${what}`,
    needs,
    run: (examination) => {
      const host = hostOf(examination, server);
      return host === undefined ? skipped(noHost[server]) : run(examination, host);
    },
  });
  return [
    check(`dns-${server}`, 'name has an address', ['network-address'], nameLookup),
    check(`port-8883-${server}`, 'port 8883 (MQTT) is open', [`dns-${server}`, 'proxy'], (e, host) =>
      openPort(e, server, { host, transport: 'mqtt' }),
    ),
    check(`port-443-${server}`, 'port 443 (WebSocket) is open', [`dns-${server}`, 'proxy'], (e, host) =>
      openPort(e, server, { host, transport: 'mqtt-websocket' }),
    ),
    ...(server === 'dps' ? [check('ipv6-dps', 'IPv6 gets through', ['dns-dps'], ipv6)] : []),
    check(`tls-${server}`, 'TLS, and whose certificate', ports, (e, host) => handshake(e, server, host)),
    check(`mtu-${server}`, 'large packets get through', ports, (e, host) => largePackets(e, server, host)),
    check(`websocket-${server}`, 'WebSocket is let through', [`tls-${server}`], (e, host) =>
      webSocket(e, server, host),
    ),
  ];
}

const noHost: Readonly<Record<ServerName, string>> = {
  dps: 'the hub is configured, DPS is not asked',
  hub: 'no hub is known: none is configured, kept or assigned',
};

async function nameLookup(examination: Examination, host: string): Promise<Outcome> {
  const { proxy } = examination.options;
  const server = addressFor(host, 'mqtt');
  if (proxy && isProxied(proxy, server)) return skipped('the proxy looks names up');
  const addresses = await attempt(server, limitsOf(examination), ({ signal }) => resolveAddresses(server.name, signal));
  return ok(`${server.name} is ${addresses.map(({ address }) => address).join(', ')}`);
}

interface Way {
  readonly host: string;
  readonly transport: Transport;
}

async function openPort(examination: Examination, server: ServerName, { host, transport }: Way): Promise<Outcome> {
  const { options, findings } = examination;
  const { transport: choice = 'auto' } = options;
  if (choice !== 'auto' && choice !== transport) return skipped(`transport ${choice} is configured`);
  const isOnlyPort = choice !== 'auto' || namesPort(host);
  if (choice === 'auto' && isOnlyPort && transport === 'mqtt-websocket') {
    return skipped('the host names its port, which is looked at above');
  }
  const address = addressFor(host, transport);
  try {
    const socket = await attempt(address, limitsOf(examination), (under) =>
      reachServer(address, { ...under, proxy: options.proxy }),
    );
    const from = socket.remoteAddress ?? 'a connection that ended at once';
    socket.destroy();
    findings.open[server].add(transport);
    return ok(`${written(host, transport)} answers (${from})`);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    const hasOther = transport === 'mqtt' ? !isOnlyPort : findings.open[server].has('mqtt');
    if (!hasOther) return failedBy(error);
    const other =
      transport === 'mqtt'
        ? 'The agent takes port 443 in its place, where that is open.'
        : 'The agent works over port 8883.';
    return warning(error.detail, `${error.advice} ${other}`);
  }
}

async function ipv6(examination: Examination, host: string): Promise<Outcome> {
  const { proxy } = examination.options;
  const server = addressFor(host, 'mqtt');
  if (proxy && isProxied(proxy, server)) return skipped('the way leads through a proxy');
  return attempt(server, limitsOf(examination), async ({ progress, signal }) => {
    const addresses = (await resolveAddresses(server.name, signal)).filter(({ family }) => family === 6);
    const [first] = addresses;
    if (!first) return skipped(`${server.name} has IPv4 addresses only`);
    progress.step = 'tcp';
    const { machine } = examination;
    if (first.address !== '::1' && !machine.addresses().some((address) => address.includes(':'))) {
      return skipped('this device has IPv4 addresses only');
    }
    try {
      (await connectTcp(server, addresses, signal)).destroy();
      return ok(`${first.address} answers`);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return warning(
        `${first.address} does not answer: ${error.detail}`,
        'The agent goes by IPv4; mend the IPv6 route of this network, or let it announce none.',
      );
    }
  });
}

async function handshake(examination: Examination, server: ServerName, host: string): Promise<Outcome> {
  const { findings, clock } = examination;
  const address = addressFor(host, chosenTransport(examination, server));
  try {
    return await withTls(examination, address, (socket, { progress }) => {
      findings.handshakes[server] = progress.socket?.bytesRead ?? 0;
      const certificate = socket.getPeerX509Certificate();
      if (!certificate) return failed('the server showed no certificate', 'Look for what answers in its place.');
      const facts = certificateFacts('server', certificate);
      findings.serverValidity ??= { ...facts, who: address.name };
      return ok(
        `${socket.getProtocol() ?? 'TLS'}; ${facts.subject}, issued by ${facts.issuer}, valid until ${facts.notAfter}`,
      );
    });
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    findings.handshakes[server] = error;
    if (error.serverCertificate) findings.serverValidity ??= { ...error.serverCertificate, who: address.name };
    return failedBy(findings.probe ? adviseByProbe(error, findings.probe, clock.now()) : error);
  }
}

/** A handshake that stalls where a server answers a small packet is cut by its size. */
async function largePackets(examination: Examination, server: ServerName, host: string): Promise<Outcome> {
  const result = examination.findings.handshakes[server];
  if (typeof result === 'number') return ok(`the whole handshake came through, ${result} bytes of it from the server`);
  if (result?.kind !== 'timeout') return skipped('the handshake did not stall');
  const address = addressFor(host, chosenTransport(examination, server));
  const answers = await attempt(address, limitsOf(examination), async (under) => {
    const socket = await reachServer(address, { ...under, proxy: examination.options.proxy });
    try {
      // No TLS: any server answers with a short alert, or ends the connection.
      ignoreErrors(socket);
      const answered = new Promise<boolean>((resolve) => {
        socket.once('data', () => resolve(true)).once('close', () => resolve(true));
        under.signal.addEventListener('abort', () => resolve(false));
      });
      socket.write('GET / HTTP/1.0\r\n\r\n');
      return await answered;
    } finally {
      socket.destroy();
    }
  });
  if (!answers) return skipped(`small packets get no answer either: see tls-${server}`);
  return failed(
    'a small packet is answered, and the handshake with its large ones gets stuck',
    'Lower the MTU of this device (1,280 passes nearly everywhere), or let ICMP "fragmentation needed" through; look at VPN, PPPoE and mobile routers.',
  );
}

async function webSocket(examination: Examination, server: ServerName, host: string): Promise<Outcome> {
  const { options, findings } = examination;
  const { transport = 'auto', proxy } = options;
  if (transport === 'mqtt') return skipped('transport mqtt is configured');
  const open = findings.open[server];
  if (!open.has('mqtt-websocket') && !namesPort(host)) return skipped('port 443 is not open');
  const secureContext = secureContextOf(examination);
  try {
    const stream = await openStream({
      ...limitsOf(examination),
      ...(proxy && { proxy }),
      host,
      transport: 'mqtt-websocket',
      secureContext,
    });
    stream.destroy();
    return ok(`${written(host, 'mqtt-websocket')} upgrades`);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    if (!open.has('mqtt')) return failedBy(error);
    return warning(error.detail, `${error.advice} The agent works over port 8883.`);
  }
}
