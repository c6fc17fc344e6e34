import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DeviceCredentials, type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callServiceApi, registerOverHttp } from './dps-wire.ts';
import { ownerConnectionString } from './start-clients.ts';
import type { Answer } from './start-https.ts';

describe('which hub a device gets, and what happens to it when that changes', () => {
  let fixture: DpsFixture;
  let line: Issued;
  let hubHosts: [string, string];
  let counter = 0;
  /** Of the devices that have any: by hub, in milliseconds. */
  const latencies = new Map<string, Readonly<Record<string, number>>>();

  beforeAll(async () => {
    fixture = await startDpsFixture({
      hubLatencyMs: (hubName, registrationId) => latencies.get(registrationId)?.[hubName],
    });
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
    const { hubs } = fixture.clients;
    const second = await hubs.iotHubResource.beginCreateOrUpdateAndWait(fixture.names.group, 'second-hub', {
      location: 'westeurope',
      sku: { name: 'S1', capacity: 1 },
    });
    hubHosts = [fixture.hubHost, second.properties?.hostName ?? ''];
    await putGroup({});
  });
  beforeEach(async () => {
    await link({}, {});
    await putGroup({});
  });
  afterAll(() => fixture.emulator.close());

  /** Links both hubs, or those whose options are given. */
  const link = async (...options: (object | undefined)[]) => {
    const { dps, hubs } = fixture.clients;
    const iotHubs = [];
    for (const [index, hub] of [fixture.names.hub, 'second-hub'].entries()) {
      if (options[index] === undefined) continue;
      const connectionString = await ownerConnectionString(hubs, { ...fixture.names, hub });
      iotHubs.push({ connectionString, location: 'westeurope', ...options[index] });
    }
    const before = await dps.iotDpsResource.get(fixture.names.dps, fixture.names.group);
    await dps.iotDpsResource.beginCreateOrUpdateAndWait(fixture.names.group, fixture.names.dps, {
      ...before,
      properties: { ...before.properties, iotHubs },
    });
  };
  const putGroup = async (extra: Readonly<Record<string, unknown>>) => {
    const headers = counter === 0 ? {} : { 'If-Match': '*' };
    counter += 1;
    const answer = await callServiceApi(fixture, {
      method: 'PUT',
      path: '/enrollmentGroups/line',
      body: groupOf('line', line, extra),
      headers,
    });
    expect(answer.status).toBe(200);
  };
  const device = () => issueDevice(`device-${(counter += 1)}`, [line]);
  const onlyHub = (index: 0 | 1) => ({ allocationPolicy: 'static', iotHubs: [hubHosts[index]] });
  const register = (credentials: DeviceCredentials): Promise<Answer> => registerOverHttp(fixture, credentials);
  const stateOf = ({ body }: Answer) =>
    (body as { registrationState: { assignedHub: string; substatus: string } }).registrationState;
  const hubOf = async (credentials: DeviceCredentials) => stateOf(await register(credentials)).assignedHub;
  const hub = (index: 0 | 1) => fixture.emulator.hub(index === 0 ? fixture.names.hub : 'second-hub');

  it('ok: hashed: weights share the devices out, and a device stays where it is', async () => {
    await link({ allocationWeight: 1 }, { allocationWeight: 9 });
    const devices = await Promise.all(Array.from({ length: 40 }, device));
    const first: string[] = [];
    for (const credentials of devices) first.push(await hubOf(credentials));
    const onSecond = first.filter((host) => host === hubHosts[1]).length;
    expect(onSecond).toBeGreaterThan(24);
    expect(onSecond).toBeLessThan(40);
    await link({ allocationWeight: 9 }, { allocationWeight: 1 });
    for (const [index, credentials] of devices.slice(0, 5).entries())
      expect(await hubOf(credentials)).toBe(first[index]);
  });

  it('ok: static and geoLatency take the first that the enrollment allows; a hub may stay out of allocation', async () => {
    await putGroup(onlyHub(1));
    expect(await hubOf(await device())).toBe(hubHosts[1]);
    await putGroup({ allocationPolicy: 'geoLatency', iotHubs: [hubHosts[1], hubHosts[0]] });
    expect(await hubOf(await device())).toBe(hubHosts[1]);
    await link({ applyAllocationPolicy: false }, {});
    await putGroup({});
    expect(await hubOf(await device())).toBe(hubHosts[1]);
    await putGroup({ iotHubHostName: hubHosts[0] });
    expect(await hubOf(await device())).toBe(hubHosts[0]);
  });

  it('ok: geoLatency takes the nearest hub for each device, of those whose latency is known', async () => {
    await putGroup({ allocationPolicy: 'geoLatency' });
    const [here, there, nowhere] = await Promise.all([device(), device(), device()]);
    latencies.set(here.registrationId, { [fixture.names.hub]: 10, 'second-hub': 80 });
    latencies.set(there.registrationId, { [fixture.names.hub]: 90, 'second-hub': 20 });
    expect(await hubOf(here)).toBe(hubHosts[0]);
    expect(await hubOf(there)).toBe(hubHosts[1]);
    expect(await hubOf(nowhere)).toBe(hubHosts[0]);
  });

  it('ok: migrate: the twin goes along and the old identity is gone', async () => {
    await putGroup(onlyHub(0));
    const credentials = await device();
    const { registrationId } = credentials;
    await register(credentials);
    hub(0).updateTwin(
      registrationId,
      { properties: { desired: { target: 23 } } },
      { mode: 'patch', precondition: 'none' },
    );
    await putGroup({ ...onlyHub(1), initialTwin: { properties: { desired: { target: 1 } } } });
    expect(stateOf(await register(credentials))).toMatchObject({
      assignedHub: hubHosts[1],
      substatus: 'deviceDataMigrated',
    });
    expect(hub(0).hasDevice(registrationId)).toBe(false);
    expect(hub(1).twinOf(registrationId)).toMatchObject({ properties: { desired: { target: 23 } } });
  });

  it('ok: reset: the device starts again from the initial twin, on another hub and on the same', async () => {
    const reset = {
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: false },
      initialTwin: { properties: { desired: { target: 1 } } },
    };
    await putGroup({ ...onlyHub(0), ...reset });
    const credentials = await device();
    const { registrationId } = credentials;
    expect(stateOf(await register(credentials)).substatus).toBe('initialAssignment');
    hub(0).updateTwin(
      registrationId,
      { properties: { desired: { target: 23 } } },
      { mode: 'patch', precondition: 'none' },
    );
    expect(stateOf(await register(credentials))).toMatchObject({
      assignedHub: hubHosts[0],
      substatus: 'deviceDataReset',
    });
    expect(hub(0).twinOf(registrationId)).toMatchObject({ properties: { desired: { target: 1 } } });
    await putGroup({ ...onlyHub(1), ...reset });
    expect(stateOf(await register(credentials))).toMatchObject({
      assignedHub: hubHosts[1],
      substatus: 'deviceDataReset',
    });
    expect(hub(0).hasDevice(registrationId)).toBe(false);
  });

  it('ok: never: the device stays with its hub; fail: or gets none, where that hub is not allowed any more', async () => {
    const never = { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } };
    await putGroup({ iotHubs: [...hubHosts], allocationPolicy: 'hashed', ...never });
    const credentials = await device();
    const host = await hubOf(credentials);
    expect(await hubOf(credentials)).toBe(host);
    await putGroup({ ...onlyHub(host === hubHosts[0] ? 1 : 0), ...never });
    expect(await register(credentials)).toMatchObject({
      status: 200,
      body: {
        status: 'failed',
        registrationState: {
          status: 'failed',
          errorCode: 401001,
          errorMessage: expect.stringContaining('updateHubAssignment is false'),
        },
      },
    });
  });

  it('ok: a renewed certificate replaces the thumbprints and leaves the twin alone', async () => {
    const old = await device();
    await register(old);
    const index = (await hubOf(old)) === hubHosts[0] ? 0 : 1;
    hub(index).updateTwin(old.registrationId, { tags: { room: 'kitchen' } }, { mode: 'patch', precondition: 'none' });
    const before = hub(index).twinOf(old.registrationId);
    await register(await issueDevice(old.registrationId, [line]));
    const after = hub(index).twinOf(old.registrationId);
    expect(after).toMatchObject({ tags: { room: 'kitchen' } });
    expect(after?.['x509Thumbprint']).not.toEqual(before?.['x509Thumbprint']);
  });

  it('fail: what is wrong on the hub’s side is told by the operation, with status failed', async () => {
    const credentials = await device();
    await link(undefined, {});
    await fixture.clients.hubs.iotHubResource.beginDeleteAndWait(fixture.names.group, 'second-hub');
    expect((await register(credentials)).body).toMatchObject({
      status: 'failed',
      registrationState: { errorCode: 401001, errorMessage: expect.stringContaining("doesn't exist") },
    });
    // The same name, but other keys.
    await fixture.clients.hubs.iotHubResource.beginCreateOrUpdateAndWait(fixture.names.group, 'second-hub', {
      location: 'westeurope',
      sku: { name: 'S1', capacity: 1 },
    });
    expect((await register(credentials)).body).toMatchObject({
      registrationState: { errorCode: 401002, errorMessage: expect.stringContaining('refuses the key') },
    });
    await link();
    expect((await register(credentials)).body).toMatchObject({
      registrationState: { errorCode: 401001, errorMessage: expect.stringContaining('no hub') },
    });
    expect(fixture.emulator.dps(fixture.names.dps).registrations).toContainEqual(
      expect.objectContaining({ registrationId: credentials.registrationId, status: 'failed' }),
    );
    await link({});
    await putGroup({ initialTwin: { tags: { 'not.allowed': 1 } } });
    expect((await register(credentials)).body).toMatchObject({
      status: 'failed',
      registrationState: { errorCode: 400004 },
    });
  });
});
