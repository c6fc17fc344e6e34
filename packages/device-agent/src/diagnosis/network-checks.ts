import { X509Certificate } from 'node:crypto';
import { ConnectionError, reasonOf } from '../network/connection-error.ts';
import { oneLine } from '../network/certificate-facts.ts';
import { attempt } from '../network/attempt.ts';
import { isHttpHead } from '../network/http-head.ts';
import { probeHttp } from '../network/http-probe.ts';
import { openTunnel } from '../network/proxy-tunnel.ts';
import { isProxied } from '../network/proxy-settings.ts';
import { rootSettings } from '../network/trusted-roots.ts';
import type { Check, Examination } from './examination.ts';
import { failed, failedBy, ok, skipped, warning, type Outcome } from './outcome.ts';
import { addressFor, hostOf, limitsOf } from './server.ts';

const defaultProbeUrl = 'http://connectivitycheck.gstatic.com/generate_204';

/** What lies between the device and every service. */
export const networkChecks: readonly Check[] = [
  { name: 'trusted-roots', title: 'Roots of the services are trusted', run: trustedRoots },
  {
    name: 'network-address',
    title: 'Device has a network address',
    run: (examination) => {
      const addresses = examination.machine.addresses();
      if (addresses.length > 0) return ok(addresses.join(', '));
      if (/(^|\.)localhost(:|$)/.test(firstHost(examination) ?? '')) return skipped('the services are on this device');
      return failed('none but loopback', 'Bring the network up: check cable or radio, and DHCP.');
    },
  },
  { name: 'captive-portal', title: 'No captive portal', needs: ['network-address'], run: captivePortal },
  { name: 'proxy', title: 'Proxy lets this device through', needs: ['network-address'], run: proxyWay },
];

const firstHost = (examination: Examination): string | undefined =>
  hostOf(examination, 'dps') ?? hostOf(examination, 'hub');

/** Azure documents, "Transport Layer Security (TLS) support in IoT Hub": both are to be trusted, nothing below them pinned. */
const azureRoots = ['DigiCert Global Root G2', 'Microsoft RSA Root Certificate Authority 2017'] as const;

function trustedRoots(examination: Examination): Outcome {
  const { options, machine, clock } = examination;
  const given = (
    options.trustedRootsPem?.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  ).map((pem) => new X509Certificate(pem));
  const expired = given.find(({ validTo }) => new Date(validTo) < clock.now());
  if (expired) {
    return warning(
      `the given root ${oneLine(expired.subject)} expired at ${new Date(expired.validTo).toISOString()}`,
      `Give the root that follows it (${rootSettings.azure}).`,
    );
  }
  const names = given.map(({ subject }) => oneLine(subject)).join(', ');
  const host = firstHost(examination)?.split(':')[0] ?? '';
  if (!/\.azure-devices(-provisioning)?\.(net|us|cn)$/.test(host)) return ok(`given: ${names || 'none'}`);
  const trusted = [...given, ...machine.rootsPem.map((pem) => new X509Certificate(pem))];
  const missing = azureRoots.filter((name) => !trusted.some(({ subject }) => subject.includes(`CN=${name}`)));
  if (missing.length === 0) return ok(`${azureRoots.join(' and ')}${names === '' ? '' : `; given: ${names}`}`);
  return failed(
    `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} not among the trusted roots`,
    `Update Node.js, or give these roots (${rootSettings.azure}); Azure’s services show certificates under both.`,
  );
}

async function captivePortal(examination: Examination): Promise<Outcome> {
  const { options, findings, clock } = examination;
  const { probeUrl = defaultProbeUrl } = options;
  if (options.proxy) return skipped('the way leads through a proxy');
  try {
    findings.probe = await probeHttp(probeUrl, limitsOf(examination));
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    return skipped(`${probeUrl} gives no answer, which a firewall may mean: ${error.detail}`);
  }
  const { status, location, date } = findings.probe;
  if (date) findings.otherClock = { said: date, at: clock.now(), who: new URL(probeUrl).host };
  if (status === 204) return ok(`${probeUrl} answers as it should`);
  return failed(
    `${probeUrl} is answered with ${status}${location === undefined ? '' : `, which leads to ${location}`}, in place of 204`,
    'Somebody has to sign in to this network with a browser first; or give a probe URL that answers 204.',
  );
}

/** The answer to CONNECT tells apart what the proxy has against this device and what against one target. */
async function proxyWay(examination: Examination): Promise<Outcome> {
  const { proxy } = examination.options;
  const host = firstHost(examination);
  if (!proxy) return skipped('none is configured');
  if (host === undefined) return skipped('no host is known yet');
  const server = addressFor(host, 'mqtt-websocket');
  if (!isProxied(proxy, server)) return skipped(`${server.name} is reached without it (noProxy)`);
  try {
    await attempt(server, limitsOf(examination), async ({ progress, signal }) => {
      progress.step = 'proxy';
      (await openTunnel(proxy, server, signal)).destroy();
    });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const isAboutTarget = isHttpHead(cause) && cause.status !== 407 && cause.status !== 511 && cause.status >= 400;
    return isAboutTarget
      ? warning(reasonOf(error), 'See what the ports below say: it may let others through.')
      : failedBy(error);
  }
  return ok(`lets ${server.name}:${server.port} through`);
}
