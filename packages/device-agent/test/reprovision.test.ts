import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import {
  blockDevice,
  deleteIndividualEnrollment,
  putIndividualEnrollment,
  updateEnrollmentGroup,
} from '@contoso/dps-admin';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentEvent, DeviceAgentOptions, DeviceIdentity } from '../src/index.ts';
import {
  dpsName,
  enrollLine,
  enrollmentGroupId,
  hubName,
  issueIdentity,
  startContoso,
  watchedAgent,
  type Contoso,
  type Watched,
} from './contoso.ts';

// A device goes where the operator, DPS or circumstances send it; two DPS instances with a hub each, and a third hub.

let contoso: Contoso;
let otherIdScope: string;
let endpoint: string;
const otherDps = 'contoso-dps-2';
const otherHub = 'contoso-hub-2';
const thirdHub = 'contoso-hub-3';
const started: Watched[] = [];

beforeAll(async () => {
  contoso = await startContoso();
  endpoint = contoso.azure.cloud.provisioningDeviceEndpoint;
  otherIdScope = await enrollLine(contoso, { dpsName: otherDps, hubNames: [otherHub] });
  await enrollLine(contoso, { dpsName, hubNames: [hubName, thirdHub] });
  // Whoever isn't moved stays with the first hub.
  await updateEnrollmentGroup(contoso.session, {
    dpsName,
    enrollmentGroupId,
    iotHubs: [contoso.hub.hostName],
    allocationPolicy: 'static',
  });
}, 60_000);

afterEach(async () => {
  contoso.azure.faults.clear();
  for (const { agent } of started.splice(0)) await agent.stop(0);
});

afterAll(() => contoso.close());

const start = async (
  device: string | DeviceIdentity,
  options: Partial<DeviceAgentOptions> = {},
): Promise<Watched & { readonly identity: DeviceIdentity }> => {
  const identity = typeof device === 'string' ? await issueIdentity(contoso, device) : device;
  const watched = watchedAgent(contoso, identity, options);
  started.push(watched);
  await watched.agent.start();
  await watched.next('subscribed');
  return { ...watched, identity };
};

/** Resolves with the next event of a type after so many of them. */
const after = async <T extends AgentEvent['type']>(
  { events, next }: Watched,
  type: T,
  count: number,
): Promise<Extract<AgentEvent, { type: T }>> =>
  next(type, (event) => events.filter((other) => other.type === type).indexOf(event) >= count);

const call = (deviceId: string, methodName: string, payload: unknown, hub = contoso.hub): Promise<unknown> =>
  hub.invokeMethod(deviceId, {
    methodName,
    payload: payload as never,
    responseTimeoutSeconds: 10,
    connectTimeoutSeconds: 5,
  });

const desire = (deviceId: string, desired: Record<string, unknown>, hub = contoso.hub): void =>
  void hub.updateTwin(deviceId, { properties: { desired } } as never, {
    mode: 'patch',
    precondition: undefined as never,
  });

const reportedOf = (deviceId: string, hub = contoso.hub): Record<string, unknown> =>
  (hub.twinOf(deviceId) as unknown as { properties: { reported: Record<string, unknown> } }).properties.reported;

const calls = (deviceId: string, name = dpsName): number => contoso.azure.dps(name).registerCalls(deviceId);

const place = ({ events }: Watched): string =>
  events.flatMap((event) => (event.type === 'connecting' ? [event.hostName] : [])).at(-1) ?? '';

describe('an order to ask DPS again', () => {
  it('by the application: DPS is asked, and the device is back at its hub', async () => {
    const watched = await start('asks');
    watched.agent.reprovision({}, 'it was sold');
    await after(watched, 'subscribed', 1);
    expect(calls('asks')).toBe(2);
    expect(watched.events).toContainEqual({ type: 'provisioning', reason: 'it was sold', idScope: contoso.idScope });
  });

  it('right after the start is not forgotten', async () => {
    const { agent, identity } = await start('asks-early');
    await agent.stop(0);
    const again = watchedAgent(contoso, identity);
    started.push(again);
    const starting = again.agent.start();
    again.agent.reprovision();
    await starting;
    await again.next('provisioned');
    expect(calls('asks-early')).toBe(2);
  });

  it('by direct method: the caller has its answer before the connection goes', async () => {
    const watched = await start('called');
    await expect(call('called', 'reprovision', null)).resolves.toEqual({ status: 202, payload: { accepted: {} } });
    await after(watched, 'subscribed', 1);
    expect(calls('called')).toBe(2);
    expect(watched.events).toContainEqual(
      expect.objectContaining({ type: 'provisioning', reason: 'direct method reprovision' }),
    );
  });

  it('by desired property: acknowledged, and obeyed once, also over a restart and where the twin is made anew', async () => {
    const watched = await start('desired');
    desire('desired', { reprovision: { id: '2026-11' }, other: 1 });
    await watched.next('reported', ({ properties }) => 'reprovision' in properties);
    await after(watched, 'subscribed', 1);
    expect(reportedOf('desired')).toMatchObject({
      reprovision: { value: { id: '2026-11' }, ac: 202, av: 2, ad: 'DPS is asked' },
    });
    expect(calls('desired')).toBe(2);
    await watched.agent.stop(0);

    contoso.hub.remove('desired');
    const seen: unknown[] = [];
    const again = await start(watched.identity, { onDesired: ({ properties }) => void seen.push(properties) });
    expect(calls('desired')).toBe(3);
    desire('desired', { reprovision: { id: '2026-11' } });
    desire('desired', { marker: 1 });
    await again.next('desired-handled', () => JSON.stringify(seen).includes('marker'));
    await again.next('reported', ({ properties }) => 'reprovision' in properties);
    expect(reportedOf('desired')).toMatchObject({ reprovision: { value: { id: '2026-11' }, ac: 202 } });
    expect(JSON.stringify(seen)).not.toContain('reprovision');
    expect(calls('desired')).toBe(3);
    desire('desired', { reprovision: { id: '2026-12' } });
    await after(again, 'subscribed', 1);
    expect(calls('desired')).toBe(4);
  });

  it('that is none is answered with 400, and the device stays', async () => {
    const { agent, next } = await start('not-ordered');
    expect(() => agent.reprovision({ idScope: '0ne12' })).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_COMMAND', message: expect.stringMatching(/idScope.*"0ne12"/) }),
    );
    expect(() => agent.reprovision({ endpoint: 'https://elsewhere' })).toThrow(/endpoint should be a host/);
    await expect(call('not-ordered', 'reprovision', { idScope: 12 })).resolves.toMatchObject({
      status: 400,
      payload: { error: expect.stringMatching(/idScope should be 0ne and 8 hex digits, found 12/) },
    });
    await expect(call('not-ordered', 'reprovision', 'now')).resolves.toMatchObject({ status: 400 });
    desire('not-ordered', { reprovision: { idScope: 'elsewhere' } });
    await next('reported', ({ properties }) => 'reprovision' in properties);
    expect(reportedOf('not-ordered')).toMatchObject({
      reprovision: { value: { idScope: 'elsewhere' }, ac: 400, ad: expect.stringMatching(/0ne and 8 hex digits/) },
    });
    expect(calls('not-ordered')).toBe(1);
  });

  it('can’t be followed where the hub was given', async () => {
    const first = await start('fixed');
    await first.agent.stop(0);
    const connectTo = { hostName: contoso.hub.hostName, deviceId: 'fixed' };
    const { agent } = await start(first.identity, { connectTo });
    expect(() => agent.reprovision()).toThrow(
      expect.objectContaining({ code: 'ERR_AGENT_COMMAND', message: expect.stringMatching(/no DPS to ask/) }),
    );
    await expect(call('fixed', 'reprovision', {})).resolves.toMatchObject({ status: 400 });
  });

  it('comes under the names that it was given; a name that the application uses is the application’s', async () => {
    const seen: unknown[] = [];
    await start('own-names', {
      methods: { reprovision: () => ({ status: 200, payload: 'mine' }) },
      reprovision: { desiredProperty: false },
      onDesired: ({ properties }) => void seen.push(properties),
    });
    await expect(call('own-names', 'reprovision', null)).resolves.toEqual({ status: 200, payload: 'mine' });
    const renamed = await start('renamed', { reprovision: { method: 'move', desiredProperty: 'order' } });
    await expect(call('renamed', 'reprovision', null)).resolves.toMatchObject({ status: 404 });
    await expect(call('renamed', 'move', null)).resolves.toMatchObject({ status: 202 });
    await after(renamed, 'subscribed', 1);
    desire('renamed', { order: { id: 1 } });
    await after(renamed, 'subscribed', 2);
    expect(calls('renamed')).toBe(3);
    const off = await start('off', {
      reprovision: { method: false, desiredProperty: false },
      onDesired: ({ properties }) => void seen.push(properties),
    });
    await expect(call('off', 'reprovision', null)).resolves.toMatchObject({ status: 404 });
    desire('off', { reprovision: { id: 2 } });
    await off.next('desired-handled', () => seen.length > 0);
    expect(seen).toContainEqual({ reprovision: { id: 2 } });
    expect(calls('off')).toBe(1);
  });
});

describe('a move to another DPS', () => {
  it('takes the device there, for good, with what it had not delivered; a changed configuration wins', async () => {
    const watched = await start('moved');
    await expect(call('moved', 'reprovision', { idScope: otherIdScope, endpoint })).resolves.toMatchObject({
      status: 202,
    });
    await after(watched, 'subscribed', 1);
    expect(place(watched)).toBe(contoso.azure.hub(otherHub).hostName);
    const messageId = await watched.agent.send({ body: { at: 'the new one' } });
    await watched.agent.flush();
    const arrived = contoso.azure.hub(otherHub).telemetry.list();
    expect(arrived.map(({ systemProperties }) => systemProperties['message-id'])).toContain(messageId);
    await watched.agent.stop(0);

    const restarted = await start(watched.identity);
    expect(place(restarted)).toBe(contoso.azure.hub(otherHub).hostName);
    restarted.agent.reprovision();
    await after(restarted, 'subscribed', 1);
    expect(calls('moved', otherDps)).toBe(2);
    await restarted.agent.stop(0);

    const configured = await start(watched.identity, { connectTo: { idScope: otherIdScope, endpoint } });
    await configured.agent.stop(0);
    const back = await start(watched.identity);
    expect(place(back)).toBe(contoso.hub.hostName);
    expect([calls('moved'), calls('moved', otherDps)]).toEqual([2, 3]);
  });

  it('that is refused leaves the device where it is', async () => {
    const watched = await start('unwelcome');
    await blockDevice(contoso.session, { dpsName: otherDps, registrationId: 'unwelcome' });
    watched.agent.reprovision({ idScope: otherIdScope, endpoint });
    const { idScope, error } = await watched.next('move-refused');
    expect([idScope, error.code]).toEqual([otherIdScope, 'ERR_AGENT_DPS_REFUSED']);
    await after(watched, 'subscribed', 1);
    expect(place(watched)).toBe(contoso.hub.hostName);
    watched.agent.reprovision();
    await after(watched, 'subscribed', 2);
    expect([calls('unwelcome'), calls('unwelcome', otherDps)]).toEqual([2, 1]);
  });

  it('to a DPS that doesn’t answer is given up after five tries', async () => {
    const watched = await start('lost-way');
    contoso.azure.faults.add({ kind: 'dpsDown', dps: otherDps });
    watched.agent.reprovision({ idScope: otherIdScope, endpoint });
    const { error } = await watched.next('move-refused');
    expect(error.code).toBe('ERR_AGENT_DPS_UNREACHABLE');
    await after(watched, 'subscribed', 1);
    expect(place(watched)).toBe(contoso.hub.hostName);
    const asked = watched.events.filter((event) => event.type === 'provisioning' && event.idScope === otherIdScope);
    expect(asked).toHaveLength(5);
  });

  it('goes on after a restart in the middle of it', async () => {
    const watched = await start('interrupted');
    contoso.azure.faults.add({ kind: 'dpsDown', dps: otherDps });
    watched.agent.reprovision({ idScope: otherIdScope, endpoint });
    await watched.next('provisioning', ({ idScope }) => idScope === otherIdScope);
    await watched.agent.stop(0);
    contoso.azure.faults.clear();
    const again = await start(watched.identity);
    expect(place(again)).toBe(contoso.azure.hub(otherHub).hostName);
    expect(again.events.filter(({ type }) => type === 'connecting')).toHaveLength(1);
  });

  it('is over where the device is given its hub after a restart', async () => {
    const watched = await start('given-its-hub');
    contoso.azure.faults.add({ kind: 'dpsDown', dps: otherDps });
    watched.agent.reprovision({ idScope: otherIdScope, endpoint });
    await watched.next('provisioning', ({ idScope }) => idScope === otherIdScope);
    await watched.agent.stop(0);
    contoso.azure.faults.clear();
    const connectTo = { hostName: contoso.hub.hostName, deviceId: 'given-its-hub' };
    const again = await start(watched.identity, { connectTo });
    expect(again.events.filter(({ type }) => type === 'provisioning')).toHaveLength(0);
    expect(place(again)).toBe(contoso.hub.hostName);
  });
});

describe('a device whose place changes', () => {
  const enroll = async (registrationId: string, hub: string, etag?: string) => {
    const identity = enrolled.get(registrationId) ?? (await issueIdentity(contoso, registrationId));
    enrolled.set(registrationId, identity);
    const { etag: next } = await putIndividualEnrollment(contoso.session, {
      dpsName,
      registrationId,
      certificatePem: identity.chainPem,
      iotHubs: [contoso.azure.hub(hub).hostName],
      allocationPolicy: 'static',
      ...(etag !== undefined && { etag }),
    });
    return { identity, etag: next };
  };
  const enrolled = new Map<string, DeviceIdentity>();

  it('follows DPS to another hub, and its twin with it', async () => {
    const { identity, etag } = await enroll('migrated', hubName);
    const targets: unknown[] = [];
    const watched = await start(identity, {
      onDesired: ({ properties }) => {
        if ('target' in properties) targets.push(properties['target']);
        return undefined;
      },
    });
    watched.agent.report({ firmware: '1.2' });
    await watched.next('reported', ({ properties }) => 'firmware' in properties);
    desire('migrated', { target: 21 });
    await watched.next('desired-handled', () => targets.includes(21));
    await enroll('migrated', thirdHub, etag);
    await call('migrated', 'reprovision', null);
    await after(watched, 'subscribed', 1);
    const third = contoso.azure.hub(thirdHub);
    expect(place(watched)).toBe(third.hostName);
    expect(contoso.hub.hasDevice('migrated')).toBe(false);
    expect(third.twinOf('migrated')).toMatchObject({
      properties: { desired: { target: 21 }, reported: { firmware: '1.2' } },
    });
    desire('migrated', { target: 22 }, third);
    await watched.next('desired-handled', () => targets.includes(22));
    expect(targets).toEqual([21, 22]);
  });

  it('finds its new hub by itself where the old one is deleted', async () => {
    const { identity, etag } = await enroll('homeless', thirdHub);
    const watched = await start(identity);
    expect(place(watched)).toBe(contoso.azure.hub(thirdHub).hostName);
    await enroll('homeless', hubName, etag);
    await contoso.session.iotHubs.iotHubResource.beginDeleteAndWait('contoso', thirdHub, { updateIntervalInMs: 20 });
    await after(watched, 'subscribed', 1);
    expect(place(watched)).toBe(contoso.hub.hostName);
  });

  it('comes back by itself when it is enabled again in the hub', async () => {
    const watched = await start('disabled');
    const enable = contoso.azure.faults.add({ kind: 'deviceDisabled', deviceId: 'disabled' });
    await watched.next('status', ({ state }) => state.reason === 'BadCredential');
    expect(watched.agent.state).toMatchObject({ status: 'Disconnected', recommendedAction: 'WaitForRetryPolicy' });
    await watched.agent.send({ body: { while: 'disabled' } });
    enable();
    await after(watched, 'subscribed', 1);
    await watched.agent.flush();
  });

  it('comes back by itself when it is let in again in DPS', async () => {
    const watched = await start('blocked');
    await blockDevice(contoso.session, { dpsName, registrationId: 'blocked' });
    contoso.hub.remove('blocked');
    await watched.next('status', ({ error }) => error?.code === 'ERR_AGENT_DPS_REFUSED');
    expect(watched.agent.state.status).toBe('Disconnected');
    await deleteIndividualEnrollment(contoso.session, { dpsName, registrationId: 'blocked' });
    await after(watched, 'subscribed', 1);
    expect(watched.agent.state.status).toBe('Connected');
  });

  it('stays connected where only its group is disabled, until it has to ask', async () => {
    const watched = await start('group-disabled', {
      stateFolder: await mkdtemp(join(contoso.folder, 'group-')),
    });
    const set = (provisioningStatus: 'enabled' | 'disabled'): Promise<unknown> =>
      updateEnrollmentGroup(contoso.session, { dpsName, enrollmentGroupId, provisioningStatus });
    await set('disabled');
    watched.agent.reprovision();
    await after(watched, 'subscribed', 1);
    expect(watched.agent.state.status).toBe('Connected');
    contoso.hub.remove('group-disabled');
    await watched.next('status', ({ error, state }) => {
      return error?.code === 'ERR_AGENT_DPS_REFUSED' && state.status === 'Disconnected';
    });
    await set('enabled');
    await after(watched, 'subscribed', 2);
  });
});
