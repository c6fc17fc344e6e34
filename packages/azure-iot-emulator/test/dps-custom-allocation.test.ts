import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DeviceCredentials, type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callDeviceApi, callServiceApi } from './dps-wire.ts';
import { Webhook } from './dps-webhook.ts';
import { ownerConnectionString } from './start-clients.ts';
import type { Answer } from './start-https.ts';

describe('allocation by a webhook', () => {
  const webhook = new Webhook();
  let fixture: DpsFixture;
  let line: Issued;
  let secondHost: string;
  let counter = 0;

  beforeAll(async () => {
    await webhook.open();
    fixture = await startDpsFixture({ dpsLimits: { pollsPerTenSeconds: Infinity } });
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
    const { hubs, dps } = fixture.clients;
    const second = await hubs.iotHubResource.beginCreateOrUpdateAndWait(fixture.names.group, 'second-hub', {
      location: 'westeurope',
      sku: { name: 'S1', capacity: 1 },
    });
    secondHost = second.properties?.hostName ?? '';
    const before = await dps.iotDpsResource.get(fixture.names.dps, fixture.names.group);
    const connectionStrings = await Promise.all(
      [fixture.names.hub, 'second-hub'].map((hub) => ownerConnectionString(hubs, { ...fixture.names, hub })),
    );
    await dps.iotDpsResource.beginCreateOrUpdateAndWait(fixture.names.group, fixture.names.dps, {
      ...before,
      properties: {
        ...before.properties,
        iotHubs: connectionStrings.map((connectionString) => ({ connectionString, location: 'westeurope' })),
      },
    });
    await putGroup({});
  });
  beforeEach(async () => {
    webhook.requests.length = 0;
    await putGroup({});
  });
  afterAll(async () => {
    await fixture.emulator.close();
    await webhook.close();
  });

  const putGroup = async (extra: Readonly<Record<string, unknown>>) => {
    const answer = await callServiceApi(fixture, {
      method: 'PUT',
      path: '/enrollmentGroups/line',
      body: groupOf('line', line, {
        allocationPolicy: 'custom',
        customAllocationDefinition: { webhookUrl: webhook.url, apiVersion: '2019-03-31' },
        ...extra,
      }),
      headers: counter === 0 ? {} : { 'If-Match': '*' },
    });
    counter += 1;
    expect(answer.status).toBe(200);
  };
  const device = () => issueDevice(`device-${(counter += 1)}`, [line]);
  /** Registers, and polls until the webhook has decided; each round waits for the webhook's own request first. */
  const register = async (credentials: DeviceCredentials, payload?: unknown): Promise<Answer> => {
    const { registrationId } = credentials;
    const accepted = await callDeviceApi(fixture, credentials, {
      method: 'PUT',
      path: '/register',
      body: { registrationId, payload },
    });
    expect(accepted.status).toBe(202);
    const { operationId } = accepted.body as { operationId: string };
    for (;;) {
      const answer = await callDeviceApi(fixture, credentials, { method: 'GET', path: `/operations/${operationId}` });
      if (answer.status !== 202) return answer;
      expect(answer).toMatchObject({ headers: { 'retry-after': '0' }, body: { operationId, status: 'assigning' } });
    }
  };
  const failure = (errorCode: number, errorMessage: string) => ({
    status: 200,
    body: { status: 'failed', registrationState: { errorCode, errorMessage: expect.stringContaining(errorMessage) } },
  });

  it('ok: it gets what the documents say, and decides hub, twin and what the device is told', async () => {
    webhook.answer = () => ({
      body: {
        iotHubHostName: secondHost,
        initialTwin: { tags: { site: 'two' }, properties: { desired: { target: 21 } } },
        payload: { hello: 'device' },
      },
    });
    const credentials = await device();
    const { registrationId } = credentials;
    expect(await register(credentials, { model: 'x1' })).toMatchObject({
      body: { status: 'assigned', registrationState: { assignedHub: secondHost, payload: { hello: 'device' } } },
    });
    expect(fixture.emulator.hub('second-hub').twinOf(registrationId)).toMatchObject({
      tags: { site: 'two' },
      properties: { desired: { target: 21 } },
    });
    expect(webhook.requests).toEqual([
      {
        enrollmentGroup: expect.objectContaining({
          enrollmentGroupId: 'line',
          etag: expect.stringMatching(/^"[0-9a-f-]+"$/),
          allocationPolicy: 'custom',
          customAllocationDefinition: {
            webhookUrl: expect.stringMatching(/\/api\/allocate\?\*\*\*\*$/),
            apiVersion: '2019-03-31',
          },
        }),
        deviceRuntimeContext: {
          registrationId,
          x509: {
            clientCertificate: { info: expect.objectContaining({ subjectName: `CN=${registrationId}`, version: 3 }) },
          },
          payload: { model: 'x1' },
        },
        linkedHubs: [fixture.hubHost, secondHost],
      },
    ]);
    const { body } = await callServiceApi(fixture, { method: 'GET', path: '/enrollmentGroups/line' });
    expect(body).toMatchObject({ customAllocationDefinition: { webhookUrl: webhook.url } });
  });

  it('ok: on registering again it learns where the device is; its twin goes before the migrated one', async () => {
    webhook.answer = () => ({ body: { iotHubHostName: fixture.hubHost } });
    const credentials = await device();
    const { registrationId } = credentials;
    await register(credentials);
    fixture.emulator
      .hub(fixture.names.hub)
      .updateTwin(registrationId, { tags: { kept: true } }, { mode: 'patch', precondition: 'none' });
    webhook.answer = () => ({ body: { iotHubHostName: secondHost, initialTwin: { tags: { fresh: true } } } });
    expect(await register(credentials)).toMatchObject({
      body: { registrationState: { assignedHub: secondHost, substatus: 'deviceDataMigrated' } },
    });
    expect(webhook.requests[1]?.deviceRuntimeContext).toMatchObject({
      currentIotHubHostName: fixture.hubHost,
      currentDeviceId: registrationId,
    });
    expect(fixture.emulator.hub('second-hub').twinOf(registrationId)).toMatchObject({ tags: { fresh: true } });
    expect(fixture.emulator.hub(fixture.names.hub).hasDevice(registrationId)).toBe(false);
    webhook.answer = () => ({ body: { iotHubHostName: fixture.hubHost } });
    await register(credentials);
    expect(fixture.emulator.hub(fixture.names.hub).twinOf(registrationId)).toMatchObject({ tags: { fresh: true } });
  });

  it('ok: never: it is asked all the same, and the hub stays', async () => {
    await putGroup({ reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } });
    webhook.answer = () => ({ body: { iotHubHostName: secondHost } });
    const credentials = await device();
    await register(credentials);
    webhook.answer = () => ({ body: { iotHubHostName: fixture.hubHost } });
    expect(await register(credentials)).toMatchObject({ body: { registrationState: { assignedHub: secondHost } } });
    expect(webhook.requests).toHaveLength(2);
  });

  it('fail: a hub that it wasn’t told, no hub, no access, another status, no JSON, nobody there', async () => {
    await putGroup({ iotHubs: [fixture.hubHost] });
    const ask = async (answer: Awaited<ReturnType<Webhook['answer']>>) => {
      webhook.answer = () => answer;
      return register(await device());
    };
    expect(await ask({ body: { iotHubHostName: secondHost } })).toMatchObject(
      failure(401001, 'none of its linkedHubs'),
    );
    expect(webhook.requests.at(-1)?.linkedHubs).toEqual([fixture.hubHost]);
    expect(await ask({ body: { iotHubHostName: '' } })).toMatchObject(failure(400208, 'IoT hub not specified'));
    expect(await ask({ status: 401 })).toMatchObject(failure(400209, 'unauthorized access'));
    expect(await ask({ status: 400 })).toMatchObject(failure(400207, 'Custom allocation failed with status code: 400'));
    expect(await ask({ body: 'no JSON' })).toMatchObject(failure(400207, 'not a JSON object'));
    expect(await ask({ body: [] })).toMatchObject(failure(400207, 'not a JSON object'));
    expect(await ask({ body: { iotHubHostName: fixture.hubHost, initialTwin: { tags: 3 } } })).toMatchObject(
      failure(400004, 'initialTwin.tags'),
    );
    await putGroup({ customAllocationDefinition: { webhookUrl: 'http://127.0.0.1:1/', apiVersion: '2019-03-31' } });
    expect(await register(await device())).toMatchObject(failure(400207, "the webhook can't be reached"));
  });

  it('ok: 429 and more are asked again, later each time; fail: ten times and no more', async () => {
    const busy = [429, 500, 503];
    webhook.answer = () => {
      const status = busy.shift();
      return status === undefined ? { body: { iotHubHostName: secondHost } } : { status };
    };
    const { clock } = fixture.emulator;
    const credentials = await device();
    const accepted = await callDeviceApi(fixture, credentials, {
      method: 'PUT',
      path: '/register',
      body: { registrationId: credentials.registrationId },
    });
    const { operationId } = accepted.body as { operationId: string };
    const poll = () => callDeviceApi(fixture, credentials, { method: 'GET', path: `/operations/${operationId}` });
    const pauses = () => fixture.log.filter((line) => line.includes('asked again')).length;
    /** Polls until the emulator waits for its clock once more, or is through. */
    const waitFor = async (count: number) => {
      while (pauses() < count && (await poll()).status === 202);
    };
    for (const [index, pauseMs] of [1000, 10_000, 19_000].entries()) {
      await waitFor(index + 1);
      clock.advance(pauseMs - 900);
      expect(webhook.requests).toHaveLength(index + 1);
      clock.advance(900);
    }
    while ((await poll()).status === 202);
    expect((await poll()).body).toMatchObject({ status: 'assigned', registrationState: { assignedHub: secondHost } });
    expect(webhook.requests).toHaveLength(4);

    webhook.requests.length = 0;
    webhook.answer = () => ({ status: 503 });
    const start = pauses();
    const refused = register(await device());
    for (let retry = 0; retry < 10; retry += 1) {
      while (pauses() <= start + retry) await new Promise(setImmediate);
      clock.advance(100_000);
    }
    expect(await refused).toMatchObject(failure(400207, 'status code: 503'));
    expect(webhook.requests).toHaveLength(11);
    clock.reset();
  });

  it('fail: a definition that is none', async () => {
    for (const [extra, message] of [
      [{ customAllocationDefinition: undefined }, /must be specified/],
      [{ customAllocationDefinition: { webhookUrl: 'file:///x', apiVersion: '2019-03-31' } }, /webhookUrl/],
      [{ customAllocationDefinition: { webhookUrl: 'https://x', apiVersion: '2017-11-15' } }, /apiVersion/],
    ] as const) {
      const answer = await callServiceApi(fixture, {
        method: 'PUT',
        path: '/enrollments/one',
        body: { attestation: { type: 'symmetricKey' }, allocationPolicy: 'custom', ...extra },
      });
      expect(answer).toMatchObject({
        status: 400,
        body: { errorCode: 400004, message: expect.stringMatching(message) },
      });
    }
  });
});
