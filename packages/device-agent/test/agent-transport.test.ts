import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { startAzureIot, type AzureIotEmulator } from '@contoso/azure-iot-emulator';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import type { AgentEvent, DeviceAgentOptions, DeviceIdentity } from '../src/index.ts';
import { dpsName, hubName, issueIdentity, startContoso, watchedAgent, type Contoso, type Watched } from './contoso.ts';
import { startHttpProxy, type HttpProxy } from './http-proxy.ts';

// Whole agents on networks that let only one of their ways through.

let contoso: Contoso;
const started: Watched[] = [];
const proxies: HttpProxy[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  for (const { agent } of started.splice(0)) await agent.stop(0);
  for (const proxy of proxies.splice(0)) await proxy.close();
});

afterAll(async () => {
  await contoso.close();
});

const start = async (identity: DeviceIdentity, options: Partial<DeviceAgentOptions>): Promise<Watched> => {
  const watched = watchedAgent(contoso, identity, options);
  started.push(watched);
  await watched.agent.start();
  await watched.agent.send({ body: {} });
  await watched.agent.flush();
  return watched;
};

const failures = (events: readonly AgentEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === 'retry' ? [event.error.failure] : []));

describe('a device on a network that lets port 443 alone through', () => {
  it('goes by WebSocket, and after a restart at once', async () => {
    const { azure, identity } = await azureByItsOwnNames('only-443');
    const proxy = await startHttpProxy({ ports: { 443: azure.mqttPort } });
    proxies.push(proxy);
    const options = {
      connectTo: { idScope: azure.dps(dpsName).idScope },
      trustedRootsPem: azure.cloud.trustedRootsPem,
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
    };
    const first = await start(identity, options);
    expect(proxy.targets).toEqual([
      'global.azure-devices-provisioning.net:8883',
      'global.azure-devices-provisioning.net:443',
      `${hubName}.azure-devices.net:443`,
    ]);
    expect(failures(first.events)).toEqual(['proxy']);
    await first.agent.stop();
    const second = await start(identity, options);
    expect(failures(second.events)).toEqual([]);
    expect(proxy.targets.slice(3)).toEqual([`${hubName}.azure-devices.net:443`]);
    await second.agent.stop(0);
    await azure.close();
  });
});

describe('a device whose disk takes nothing when it has found its way', () => {
  it('stays connected, and says so', async () => {
    const { azure, identity } = await azureByItsOwnNames('unwritable');
    const proxy = await startHttpProxy({ ports: { 443: azure.mqttPort } });
    proxies.push(proxy);
    const stateFolder = await mkdtemp(join(contoso.folder, 'locked-'));
    const watched = watchedAgent(contoso, identity, {
      connectTo: { idScope: azure.dps(dpsName).idScope },
      trustedRootsPem: azure.cloud.trustedRootsPem,
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
      stateFolder,
    });
    started.push(watched);
    const starting = watched.agent.start();
    await watched.next('provisioning');
    const writer = new Database(join(stateFolder, 'agent.db'));
    writer.exec('BEGIN IMMEDIATE');
    await starting;
    await watched.next('subscribed');
    writer.exec('ROLLBACK');
    writer.close();
    await watched.agent.send({ body: {} });
    await watched.agent.flush();
    const told = watched.events.flatMap((event) => (event.type === 'state-failed' ? [event.error.code] : []));
    // The assignment and the way, at least.
    expect(told.length).toBeGreaterThanOrEqual(2);
    expect(new Set(told)).toEqual(new Set(['ERR_AGENT_STATE']));
    expect(proxy.targets.filter((target) => target.startsWith(hubName))).toHaveLength(1);
    expect(watched.agent.state.status).toBe('Connected');
    await watched.agent.stop(0);
    await azure.close();
  });
});

describe('a device behind a proxy', () => {
  it.each(['mqtt', 'mqtt-websocket'] as const)('reaches DPS and hub through it, by %s', async (transport) => {
    const proxy = await startHttpProxy({ credentials: 'device:secret' });
    proxies.push(proxy);
    const url = `http://device:secret@127.0.0.1:${proxy.port}`;
    const stateFolder = await mkdtemp(join(contoso.folder, 'proxy-'));
    await start(await issueIdentity(contoso, `proxied-${transport}`), { transport, proxy: { url }, stateFolder });
    const { provisioningDeviceEndpoint } = contoso.azure.cloud;
    expect(new Set(proxy.targets)).toEqual(new Set([provisioningDeviceEndpoint, contoso.hub.hostName]));
  });

  it('that wants a password hears so', async () => {
    const proxy = await startHttpProxy({ credentials: 'device:secret' });
    proxies.push(proxy);
    const watched = watchedAgent(contoso, await issueIdentity(contoso, 'no-password'), {
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
    });
    started.push(watched);
    const ended = watched.agent.start().catch((error: unknown) => error);
    const { error } = await watched.next('retry');
    expect(error).toMatchObject({ failure: 'proxy', message: expect.stringMatching(/407/) });
    await watched.agent.stop(0);
    await ended;
  });
});

/** An Azure whose hosts have no port in their names, as the real one: the device's own choice of port is what counts. */
async function azureByItsOwnNames(
  registrationId: string,
): Promise<{ readonly azure: AzureIotEmulator; readonly identity: DeviceIdentity }> {
  const { line, root } = contoso;
  const certificate = line.certificatePem.replace(/-----[^-]+-----|\s/g, '');
  const azure = await startAzureIot({
    names: 'azure',
    seed: {
      hubs: [{ name: hubName }],
      provisioningServices: [
        {
          name: dpsName,
          linkedHubs: [hubName],
          certificates: [{ name: 'root', certificate: root.certificatePem }],
          enrollmentGroups: [
            {
              enrollmentGroupId: 'line-1',
              attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate } } } },
            },
          ],
        },
      ],
    },
  });
  return { azure, identity: await issueIdentity(contoso, registrationId) };
}
