import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { deleteEnrollmentGroup, deleteIndividualEnrollment, putIndividualEnrollment } from '@contoso/dps-admin';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DeviceAgentError,
  exponentialBackoff,
  loadIdentity,
  provision,
  systemClock,
  type Clock,
  type DeviceAgentOptions,
  type DeviceIdentity,
  type ProvisionOptions,
} from '../src/index.ts';
import {
  dpsName,
  enrollmentGroupId,
  hubName,
  issueIdentity,
  startContoso,
  watchedAgent,
  type Contoso,
  type Watched,
} from './contoso.ts';
import { startScriptedDps } from './scripted-dps.ts';
import { makeTlsSite } from './tls-site.ts';

let contoso: Contoso;
const site = makeTlsSite(['localhost']);
const started: Watched[] = [];
const servers: { close(): unknown }[] = [];

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(async () => {
  for (const { agent } of started.splice(0)) await agent.stop(0);
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => contoso.close());

const provisionWith = (identity: DeviceIdentity, options: Partial<ProvisionOptions> = {}): Promise<unknown> =>
  provision({
    identity,
    provisioning: { idScope: contoso.idScope, endpoint: contoso.azure.cloud.provisioningDeviceEndpoint },
    trustedRootsPem: contoso.azure.cloud.trustedRootsPem,
    ...options,
  });

const agentWith = (identity: DeviceIdentity, options: Partial<DeviceAgentOptions> = {}): Watched => {
  const watched = watchedAgent(contoso, identity, options);
  started.push(watched);
  return watched;
};

const rejection = async (attempt: Promise<unknown>): Promise<DeviceAgentError> => {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DeviceAgentError);
  return error as DeviceAgentError;
};

const listen = async (server: Server): Promise<number> => {
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
};

/** A DPS that always says the same: a state that its specification declares and the emulator never has. */
const dpsThatAnswers = async (body: object): Promise<string> => {
  const dps = await startScriptedDps(site, () => ({ status: 200, body }));
  servers.push(dps);
  return dps.endpoint;
};

describe('DPS refuses', () => {
  it('a line that nobody enrolled, and says which', async () => {
    const line = await createLineAuthority(contoso.root, { lineName: 'line-9' });
    const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId: 'stranger' });
    const error = await rejection(provisionWith(await loadIdentity({ chainPem, privateKeyPem })));
    expect(error).toMatchObject({
      code: 'ERR_AGENT_DPS_REFUSED',
      azureCode: 401002,
      trackingId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(error.message).toMatch(
      /refused stranger .*CN=stranger <- CN=line-9 <- CN=Contoso Root CA.*enrollment group exists for CN=line-9/,
    );
  });

  it('a chain without its intermediate, and says what is missing', async () => {
    const { certificatePem, privateKeyPem } = await issueDeviceCertificate(contoso.line, {
      registrationId: 'leaf-only',
    });
    const error = await rejection(provisionWith(await loadIdentity({ chainPem: certificatePem, privateKeyPem })));
    expect(error).toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED', azureCode: 401002 });
    expect(error.message).toMatch(/its issuer CN=line-1 is missing from the file.*whole chain/);
  });

  it('a chain that ends below a root unknown there, and says where it ends', async () => {
    const root = await createRootAuthority({ commonName: 'Unknown Root CA' });
    const line = await createLineAuthority(root, { lineName: 'line-1' });
    const { certificatePem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId: 'no-root' });
    const error = await rejection(
      provisionWith(await loadIdentity({ chainPem: certificatePem + line.certificatePem, privateKeyPem })),
    );
    expect(error.message).toMatch(/The chain ends at CN=line-1, issued by CN=Unknown Root CA/);
  });

  it('a root that is not verified there', async () => {
    const root = await createRootAuthority({ commonName: 'Unknown Root CA' });
    const line = await createLineAuthority(root, { lineName: 'line-1' });
    const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId: 'other-root' });
    const error = await rejection(provisionWith(await loadIdentity({ chainPem, privateKeyPem })));
    expect(error).toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED', azureCode: 401002 });
    expect(error.message).toMatch(/CN=Unknown Root CA is uploaded to this DPS and verified/);
  });

  it('an ID scope that is nobody’s', async () => {
    const identity = await issueIdentity(contoso, 'wrong-scope');
    const { endpoint } = { endpoint: contoso.azure.cloud.provisioningDeviceEndpoint };
    const error = await rejection(provisionWith(identity, { provisioning: { idScope: '0ne00000000', endpoint } }));
    expect(error).toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED' });
    expect(error.message).toMatch(/DPS 0ne00000000 refused wrong-scope/);
  });

  it('a device whose own enrollment is disabled', async () => {
    const identity = await issueIdentity(contoso, 'blocked');
    const { certificatePem } = await issueDeviceCertificate(contoso.line, { registrationId: 'blocked' });
    await putIndividualEnrollment(contoso.session, {
      dpsName,
      registrationId: 'blocked',
      certificatePem,
      provisioningStatus: 'disabled',
    });
    const watched = agentWith(identity, { onRefusal: 'end' });
    await expect(watched.agent.start()).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_AGENT_DPS_(REFUSED|DISABLED)$/),
    });
    expect(watched.agent.state).toMatchObject({ status: 'Disconnected', recommendedAction: 'Quit' });
    await expect(watched.agent.finished).resolves.toMatchObject({ azureCode: 401002 });
  });

  it('with status "disabled", as the API declares and the emulator never says', async () => {
    const identity = await issueIdentity(contoso, 'declared-disabled');
    const endpoint = await dpsThatAnswers({ operationId: 'o', status: 'disabled' });
    const { agent } = agentWith(identity, {
      connectTo: { idScope: '0ne00000000', endpoint },
      trustedRootsPem: site.rootPem,
      onRefusal: 'end',
    });
    await expect(agent.start()).rejects.toMatchObject({
      code: 'ERR_AGENT_DPS_DISABLED',
      message: expect.stringMatching(/enable it in DPS/),
    });
    expect(agent.state).toMatchObject({ status: 'Disconnected', reason: 'DeviceDisabled', recommendedAction: 'Quit' });
  });

  it('fails an assignment that it took', async () => {
    const identity = await issueIdentity(contoso, 'nowhere-to-go');
    const endpoint = await dpsThatAnswers({
      operationId: 'o',
      status: 'failed',
      registrationState: {
        registrationId: 'nowhere-to-go',
        status: 'failed',
        errorCode: 500000,
        errorMessage: 'No hub to assign',
      },
    });
    const error = await rejection(
      provisionWith(identity, {
        provisioning: { idScope: '0ne00000000', endpoint },
        trustedRootsPem: site.rootPem,
      }),
    );
    expect(error).toMatchObject({
      code: 'ERR_AGENT_DPS_FAILED',
      azureCode: 500000,
      message: expect.stringMatching(/No hub to assign/),
    });
  });
});

describe('nothing answers', () => {
  it('at DPS', async () => {
    const port = await listen(createServer());
    servers.splice(0).forEach((server) => server.close());
    const identity = await issueIdentity(contoso, 'dps-down');
    const error = await rejection(
      provisionWith(identity, { provisioning: { idScope: contoso.idScope, endpoint: `localhost:${port}` } }),
    );
    expect(error).toMatchObject({ code: 'ERR_AGENT_DPS_UNREACHABLE' });
    expect(error.message).toMatch(
      new RegExp(`localhost:${port} for dps-down: .*ECONNREFUSED.*check host, port and firewall`),
    );
  });

  it.each(['mqtt', 'mqtt-websocket'] as const)(
    'at the hub, over %s, until the retry policy ends',
    async (transport) => {
      const port = await listen(createServer());
      servers.splice(0).forEach((server) => server.close());
      const { agent, events } = agentWith(await issueIdentity(contoso, `hub-down-${transport}`), {
        connectTo: { hostName: `hub.localhost:${port}`, deviceId: 'hub-down' },
        transport,
        retryPolicy: exponentialBackoff({ maximumAttempts: 2, firstMs: 1 }),
      });
      const error = await rejection(agent.start());
      expect(error).toMatchObject({ code: 'ERR_AGENT_RETRY_EXPIRED', cause: { code: 'ERR_AGENT_HUB_UNREACHABLE' } });
      expect(error.message).toMatch(/Gave up after 3 tries.*hub\.localhost.*ECONNREFUSED/);
      expect(events.filter(({ type }) => type === 'retry')).toHaveLength(2);
      expect(agent.state).toMatchObject({
        status: 'Disconnected',
        reason: 'RetryExpired',
        recommendedAction: 'OpenConnection',
      });
    },
  );

  it('of what we trust, at DPS or hub, over either transport', async () => {
    const identity = await issueIdentity(contoso, 'distrustful');
    const { endpoint } = { endpoint: contoso.azure.cloud.provisioningDeviceEndpoint };
    const atDps = await rejection(provision({ identity, provisioning: { idScope: contoso.idScope, endpoint } }));
    expect(atDps).toMatchObject({
      code: 'ERR_AGENT_SERVER_UNTRUSTED',
      message: expect.stringMatching(/not trusted.*Trust its root/),
    });
    for (const transport of ['mqtt', 'mqtt-websocket'] as const) {
      const { agent } = agentWith(identity, {
        connectTo: { hostName: contoso.hub.hostName, deviceId: 'distrustful' },
        transport,
        trustedRootsPem: contoso.root.certificatePem,
        retryPolicy: { nextDelayMs: () => undefined },
      });
      expect((await rejection(agent.start())).cause).toMatchObject({ code: 'ERR_AGENT_SERVER_UNTRUSTED' });
    }
  });
});

describe('the hub refuses', () => {
  it('a device that it does not know', async () => {
    const { agent } = agentWith(await issueIdentity(contoso, 'unknown-here'), {
      connectTo: { hostName: contoso.hub.hostName, deviceId: 'unknown-here' },
      onRefusal: 'end',
    });
    await expect(agent.start()).rejects.toMatchObject({
      code: 'ERR_AGENT_HUB_REFUSED',
      azureCode: 5,
      message: expect.stringMatching(/refused unknown-here \(CONNACK 5\)/),
    });
    expect(agent.state).toMatchObject({ status: 'Disconnected', reason: 'BadCredential' });
  });

  it('reported properties beyond its rules, and the agent goes on', async () => {
    const identity = await issueIdentity(contoso, 'misreporting');
    const pages = (name: string): Record<string, unknown> =>
      Object.fromEntries(Array.from({ length: 5 }, (_, page) => [`${name}${page}`, 'x'.repeat(4_000)]));
    const before = agentWith(identity);
    await before.agent.start();
    before.agent.report(pages('old'));
    await before.next('reported');
    await before.agent.stop();
    // With its memory gone, the device can't know that the hub's twin is nearly full.
    const { agent, next } = agentWith(identity, { stateFolder: join(contoso.folder, 'new-disk') });
    await agent.start();
    agent.report(pages('new'));
    const { error } = await next('twin-failed');
    expect(error).toMatchObject({ code: 'ERR_AGENT_TWIN', azureCode: 400, message: expect.stringMatching(/new\d/) });
    agent.report({ allowed: 1 });
    await next('reported', ({ properties }) => properties['allowed'] === 1);
    expect(agent.state.status).toBe('Connected');
  });
});

describe('the agent itself refuses', () => {
  it('an expired certificate, before it asks anybody', async () => {
    const identity = await issueIdentity(contoso, 'expired');
    const now = new Date(identity.notAfter.getTime() + 1);
    const clock = { now: () => now, delay: () => Promise.resolve() };
    await expect(agentWith(identity, { clock, onRefusal: 'end' }).agent.start()).rejects.toMatchObject({
      code: 'ERR_AGENT_CERTIFICATE_EXPIRED',
    });
    await expect(provisionWith(identity, { clock })).rejects.toMatchObject({
      code: 'ERR_AGENT_CERTIFICATE_EXPIRED',
    });
    expect(contoso.azure.dps(dpsName).registerCalls('expired')).toBe(0);
  });

  it('a message above 256 KiB, and work when it does not run', async () => {
    const { agent } = agentWith(await issueIdentity(contoso, 'large'));
    await agent.start();
    await expect(agent.send({ body: Buffer.alloc(256 * 1024 + 1) })).rejects.toMatchObject({
      code: 'ERR_AGENT_MESSAGE_TOO_LARGE',
    });
    await agent.send({ body: Buffer.alloc(200 * 1024) });
    await agent.flush();
    await agent.stop();
    await expect(agent.send({ body: {} })).rejects.toMatchObject({ code: 'ERR_AGENT_STOPPED' });
    expect(() => agent.report({})).toThrow(expect.objectContaining({ code: 'ERR_AGENT_STOPPED' }));
    expect(agent.state).toMatchObject({ status: 'Closed', reason: 'ClientClosed' });
  });

  it('a second agent in the same state folder', async () => {
    const identity = await issueIdentity(contoso, 'twice');
    await agentWith(identity).agent.start();
    await expect(agentWith(identity).agent.start()).rejects.toMatchObject({ code: 'ERR_AGENT_STATE' });
  });

  it('to start on a folder that can not be made, and to whoever reports right after', async () => {
    const folder = join(contoso.folder, 'a file');
    await writeFile(folder, '');
    const { agent } = agentWith(await issueIdentity(contoso, 'folderless'), { stateFolder: join(folder, 'state') });
    const starting = rejection(agent.start());
    expect(() => agent.report({ a: 1 })).toThrow(expect.objectContaining({ code: 'ERR_AGENT_STATE' }));
    expect(await starting).toMatchObject({ code: 'ERR_AGENT_STATE' });
    await expect(agent.send({ body: {} })).rejects.toMatchObject({ code: 'ERR_AGENT_STOPPED' });
  });

  it('to go on where its retry policy fails, and says so to everybody', async () => {
    const { agent, events } = agentWith(await issueIdentity(contoso, 'misled'), {
      connectTo: { hostName: 'nowhere.localhost:9', deviceId: 'misled' },
      retryPolicy: {
        nextDelayMs: () => {
          throw new RangeError('no such attempt');
        },
      },
    });
    const error = await rejection(agent.start());
    expect(error).toMatchObject({ code: 'ERR_AGENT_STATE', message: expect.stringMatching(/no such attempt.*report/) });
    await expect(agent.finished).resolves.toBe(error);
    expect(agent.state).toMatchObject({ status: 'Disconnected', recommendedAction: 'OpenConnection' });
    expect(events.findLast(({ type }) => type === 'transition')).toMatchObject({ to: 'stopped' });
    await expect(agent.stop()).resolves.toEqual({ undeliveredMessages: 0 });
  });

  it.each([
    ['its hub', (host: string) => ({ hostName: host, deviceId: 'impatient' })],
    ['DPS', (host: string) => ({ idScope: '0ne00000000', endpoint: host })],
  ])('to go on when stopped while %s is silent', async (_, connectTo) => {
    const silent = await listen(createServer());
    const { agent, next } = agentWith(await issueIdentity(contoso, 'impatient'), {
      connectTo: connectTo(`hub.localhost:${silent}`),
    });
    const starting = rejection(agent.start());
    await Promise.race([next('connecting'), next('provisioning')]);
    await agent.stop();
    expect(await starting).toMatchObject({ code: 'ERR_AGENT_STOPPED' });
    expect(agent.state).toMatchObject({ status: 'Closed' });
  });

  it('to provision when its signal has been aborted', async () => {
    const identity = await issueIdentity(contoso, 'halted');
    await expect(provisionWith(identity, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_AGENT_STOPPED',
    });
  });
});

describe('an agent that is refused', () => {
  it('goes on trying, says so, and comes back when it is let in', async () => {
    const identity = await issueIdentity(contoso, 'pardoned');
    const { certificatePem } = await issueDeviceCertificate(contoso.line, { registrationId: 'pardoned' });
    const enrollment = { dpsName, registrationId: 'pardoned', certificatePem };
    await putIndividualEnrollment(contoso.session, { ...enrollment, provisioningStatus: 'disabled' });
    const { agent, next } = agentWith(identity, { retryPolicy: { nextDelayMs: () => 20 } });
    const starting = agent.start();
    const { state } = await next('status', (event) => event.state.status === 'Disconnected');
    expect(state).toMatchObject({ reason: 'BadCredential', recommendedAction: 'WaitForRetryPolicy' });
    await next('retry', ({ attempt }) => attempt >= 5);
    await deleteIndividualEnrollment(contoso.session, { dpsName, registrationId: 'pardoned' });
    await starting;
    expect(agent.state.status).toBe('Connected');
  });

  it('goes on with a certificate that is not valid yet: its clock is set later', async () => {
    const identity = await issueIdentity(contoso, 'clockless');
    let now = new Date(0);
    const clock: Clock = { ...systemClock, now: () => now };
    const { agent, next } = agentWith(identity, { clock, retryPolicy: { nextDelayMs: () => 20 } });
    const starting = agent.start();
    await next('retry', ({ attempt, error }) => attempt >= 3 && error.code === 'ERR_AGENT_CERTIFICATE_NOT_YET_VALID');
    expect(contoso.azure.dps(dpsName).registerCalls('clockless')).toBe(0);
    now = new Date();
    await starting;
  });
});

describe('clean-up', () => {
  it('ends a running agent for good: group gone, then identity gone', async () => {
    const { agent } = agentWith(await issueIdentity(contoso, 'cleaned-up'), { onRefusal: 'end' });
    await agent.start();
    await deleteEnrollmentGroup(contoso.session, { dpsName, enrollmentGroupId });
    contoso.azure.hub(hubName).remove('cleaned-up');
    await expect(agent.finished).resolves.toMatchObject({ code: 'ERR_AGENT_DPS_REFUSED' });
    expect(agent.state).toEqual({ status: 'Disconnected', reason: 'BadCredential', recommendedAction: 'Quit' });
  });
});
