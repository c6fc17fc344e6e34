import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { type ArmWire, createArmWire } from './arm-wire.ts';
import { issueRoot } from './dps-certificates.ts';

const DPS = 'resourceGroups/rg/providers/Microsoft.Devices/provisioningServices';
const HUB = 'resourceGroups/rg/providers/Microsoft.Devices/IotHubs';
const dpsBody = { location: 'West US', sku: { name: 'S1', capacity: 1 }, properties: {} };

describe('answers as they were recorded from Azure', () => {
  let emulator: AzureIotEmulator;
  let arm: ArmWire;

  beforeAll(async () => {
    emulator = await startAzureIot({ operationPolls: 2, operationRetryAfterSeconds: 'as-recorded' });
    arm = await createArmWire(emulator);
  });
  afterAll(() => emulator.close());

  it('resource groups: 201, then 200; HEAD 204 and 404; the location is normalized', async () => {
    const put = () => arm('PUT', 'resourcegroups/rg?api-version=2021-04-01', { location: 'West US' });
    const created = await put();
    expect([created.status, created.body]).toEqual([
      201,
      {
        id: `/subscriptions/${emulator.subscriptionId}/resourceGroups/rg`,
        name: 'rg',
        type: 'Microsoft.Resources/resourceGroups',
        location: 'westus',
        properties: { provisioningState: 'Succeeded' },
      },
    ]);
    expect((await put()).status).toBe(200);
    expect((await arm('HEAD', 'resourceGROUPS/RG?api-version=2021-04-01')).status).toBe(204);
    expect((await arm('HEAD', 'resourcegroups/none?api-version=2021-04-01')).status).toBe(404);
    expect((await arm('GET', 'resourcegroups?api-version=2021-04-01')).body).toMatchObject({ value: [{ name: 'rg' }] });
    expect((await arm('GET', `/subscriptions/${emulator.subscriptionId}?api-version=2021-01-01`)).body).toMatchObject({
      state: 'Enabled',
    });
  });

  it('DPS create: 201 with Azure-AsyncOperation alone, then Running as often as asked for, then Succeeded', async () => {
    const created = await arm('PUT', `${DPS}/dps1?api-version=2022-02-05`, dpsBody);
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      name: 'dps1',
      location: 'West US',
      properties: { state: 'Activating', provisioningState: 'Accepted', allocationPolicy: 'Hashed', idScope: null },
      resourcegroup: 'rg',
      type: 'Microsoft.Devices/provisioningServices',
      id: `/subscriptions/${emulator.subscriptionId}/${DPS}/dps1`,
      subscriptionid: emulator.subscriptionId,
      tags: {},
      sku: { name: 'S1', tier: 'Standard', capacity: 1 },
    });
    expect([created.headers.location, created.headers['retry-after']]).toEqual([undefined, undefined]);
    const operation = new URL(String(created.headers['azure-asyncoperation']));
    expect(operation.search).toBe('?api-version=2022-02-05&asyncinfo');
    expect(Buffer.from(operation.pathname.split('/').at(-1) ?? '', 'base64').toString()).toMatch(
      /^id=os_id_[0-9a-f-]{36};region=westus$/,
    );
    const poll = async () => (await arm('GET', operation.pathname + operation.search)).body;
    expect([await poll(), await poll(), await poll()]).toEqual([
      { status: 'Running' },
      { status: 'Running' },
      { status: 'Succeeded' },
    ]);
    const { body } = await arm('GET', `${DPS}/dps1?api-version=2022-02-05`);
    expect(body).toEqual({
      etag: expect.stringMatching(/^[A-Za-z0-9+/]{11}=$/),
      name: 'dps1',
      location: 'West US',
      properties: {
        state: 'Active',
        provisioningState: 'Succeeded',
        iotHubs: [],
        allocationPolicy: 'Hashed',
        serviceOperationsHostName: `dps1.${emulator.cloud.provisioningServiceSuffix}`,
        deviceProvisioningHostName: emulator.cloud.provisioningDeviceEndpoint,
        idScope: expect.stringMatching(/^0ne[0-9A-F]{8}$/),
      },
      resourcegroup: 'rg',
      type: 'Microsoft.Devices/provisioningServices',
      id: `/subscriptions/${emulator.subscriptionId}/${DPS}/dps1`,
      subscriptionid: emulator.subscriptionId,
      tags: {},
      sku: { name: 'S1', tier: 'Standard', capacity: 1 },
    });
  });

  it('every answer carries the gateway’s headers, a GUID among them twice, and no ETag', async () => {
    const { headers } = await arm('GET', `${DPS}?api-version=2022-02-05`);
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      pragma: 'no-cache',
      expires: '-1',
      'x-content-type-options': 'nosniff',
      'content-type': 'application/json; charset=utf-8',
      'x-ms-request-id': headers['x-ms-correlation-request-id'],
    });
    expect(headers['x-ms-routing-request-id']).toMatch(/^LOCALHOST:\d{8}T\d{6}Z:[0-9a-f-]{36}$/);
    expect(headers.etag).toBeUndefined();
  });

  it('a hub that is activating has no host name; one that is active has all that a real one shows', async () => {
    const created = await arm('PUT', `${HUB}/Hub1?api-version=2021-07-02`, {
      location: 'West US',
      sku: { name: 'S1', capacity: 1 },
    });
    expect(created.status).toBe(201);
    expect(String(created.headers['azure-asyncoperation'])).toMatch(
      /locations\/westus\/operationResults\/[A-Za-z0-9=]+\?api-version=2021-07-02&operationSource=other&asyncinfo$/,
    );
    const get = async () =>
      (await arm('GET', `${HUB}/Hub1?api-version=2021-07-02`)).body as { properties: Record<string, unknown> };
    const activating = await get();
    expect(activating.properties).toMatchObject({ state: 'Activating', provisioningState: 'Activating' });
    expect(activating.properties).not.toHaveProperty('hostName');
    // A look at the resource counts as one at the operation, so that a client that waits that way gets there.
    expect((await get()).properties).toMatchObject({
      state: 'Active',
      provisioningState: 'Succeeded',
      hostName: `Hub1.${emulator.cloud.hubSuffix}`,
      locations: [{ location: 'West US', role: 'primary' }],
      eventHubEndpoints: {
        events: { retentionTimeInDays: 1, partitionCount: 4, partitionIds: ['0', '1', '2', '3'], path: 'hub1' },
      },
      cloudToDevice: { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H' },
      features: 'None',
    });
    expect(await get()).toMatchObject({
      identity: { type: 'None' },
      systemData: { createdAt: expect.stringMatching(/\.\d{7}Z$/) },
    });
    expect(await get()).not.toHaveProperty('properties.authorizationPolicies');
  });

  it('DELETE: 202, the body null, both headers and Retry-After 15; Location answers 202, then an empty 200', async () => {
    const deleted = await arm('DELETE', `${DPS}/dps1?api-version=2022-02-05`);
    expect([deleted.status, deleted.body, deleted.headers['retry-after']]).toEqual([202, null, '15']);
    const location = String(deleted.headers.location);
    expect(deleted.headers['azure-asyncoperation']).toBe(`${location}&asyncinfo`);
    expect((await arm('GET', `${DPS}/dps1?api-version=2022-02-05`)).body).toMatchObject({
      properties: { state: 'Deleting' },
    });
    const { pathname, search } = new URL(location);
    const done = await arm('GET', pathname + search);
    expect([done.status, done.headers['retry-after']]).toEqual([202, '15']);
    const after = await arm('GET', pathname + search);
    expect([after.status, after.body, after.headers.location]).toEqual([200, undefined, location]);
    expect((await arm('GET', `${DPS}/dps1?api-version=2022-02-05`)).status).toBe(404);
  });

  it('a group’s deletion is polled at its Location', async () => {
    const deleted = await arm('DELETE', 'resourcegroups/rg?api-version=2021-04-01');
    expect([deleted.status, deleted.body, deleted.headers['retry-after']]).toEqual([202, undefined, '15']);
    const { pathname, search } = new URL(String(deleted.headers.location));
    const statuses = [];
    for (let poll = 0; poll < 3; poll += 1) statuses.push((await arm('GET', pathname + search)).status);
    expect(statuses).toEqual([202, 202, 200]);
    expect((await arm('HEAD', 'resourcegroups/rg?api-version=2021-04-01')).status).toBe(404);
  });

  it('a DPS certificate: content null except with the code, both body forms, times as recorded', async () => {
    await arm('PUT', 'resourcegroups/rg?api-version=2021-04-01', { location: 'westus' });
    await arm('PUT', `${DPS}/dps2?api-version=2022-02-05`, dpsBody);
    await arm('GET', `${DPS}/dps2?api-version=2022-02-05`);
    const root = await issueRoot('Recorded Root');
    const pemBase64 = Buffer.from(root.pem).toString('base64');
    const path = `${DPS}/dps2/certificates/ca`;
    const { status, body } = await arm('PUT', `${path}?api-version=2021-10-15`, { certificate: pemBase64 });
    expect([status, body]).toEqual([
      200,
      {
        properties: {
          subject: 'Recorded Root',
          expiry: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
          thumbprint: expect.stringMatching(/^[0-9A-F]{40}$/),
          isVerified: false,
          created: 'Mon, 01 Jan 0001 00:00:00 GMT',
          updated: expect.stringMatching(/GMT$/),
          certificate: null,
        },
        id: `/subscriptions/${emulator.subscriptionId}/${path}`,
        name: 'ca',
        type: 'Microsoft.Devices/provisioningServices/Certificates',
        etag: expect.any(String),
      },
    ]);
    const { etag } = body as { etag: string };
    const coded = await arm('POST', `${path}/generateVerificationCode?api-version=2021-10-15`, undefined, {
      'If-Match': etag,
    });
    expect(coded.body).toMatchObject({ properties: { certificate: pemBase64, verificationCode: expect.any(String) } });
    expect(Object.keys((coded.body as { properties: object }).properties)[0]).toBe('verificationCode');
    const trusted = await arm('PUT', `${DPS}/dps2/certificates/trusted?api-version=2022-02-05`, {
      properties: { certificate: root.base64, isVerified: true },
    });
    expect(trusted.body).toMatchObject({ properties: { isVerified: true } });
    expect((await arm('GET', `${DPS}/dps2/certificates?api-version=2022-02-05`)).body).toMatchObject({
      value: [{ name: 'ca' }, { name: 'trusted' }],
    });
  });

  it('an update echoes the policies with new keys and the connection string as it was sent; tags can be patched', async () => {
    await arm('GET', `${HUB}/Hub2?api-version=2021-07-02`);
    await arm('PUT', `${HUB}/Hub2?api-version=2021-07-02`, { location: 'westus', sku: { name: 'S1', capacity: 1 } });
    for (let look = 0; look < 2; look += 1) await arm('GET', `${HUB}/Hub2?api-version=2021-07-02`);
    const connectionString = emulator.hub('Hub2').connectionString('iothubowner');
    const updated = await arm('PUT', `${DPS}/dps2?api-version=2022-02-05`, {
      ...dpsBody,
      properties: {
        iotHubs: [{ connectionString, location: 'westus', applyAllocationPolicy: true }],
        authorizationPolicies: [{ keyName: 'registrar', rights: 'EnrollmentRead, RegistrationStatusRead' }],
      },
    });
    expect(updated).toMatchObject({
      status: 201,
      body: {
        properties: {
          state: 'Transitioning',
          idScope: null,
          iotHubs: [{ connectionString, applyAllocationPolicy: true }],
          authorizationPolicies: [
            { keyName: 'registrar', primaryKey: expect.any(String), rights: 'EnrollmentRead, RegistrationStatusRead' },
          ],
        },
      },
    });
    for (let look = 0; look < 2; look += 1) await arm('GET', `${DPS}/dps2?api-version=2022-02-05`);
    expect(await arm('PATCH', `${DPS}/dps2?api-version=2022-02-05`, { tags: { owner: 'factory' } })).toMatchObject({
      status: 200,
      body: {
        tags: { owner: 'factory' },
        properties: { iotHubs: [{ connectionString: expect.stringMatching(/SharedAccessKey=\*{4}$/) }] },
      },
    });
    expect(await arm('PATCH', `${HUB}/Hub2?api-version=2021-07-02`, { tags: { owner: 'factory' } })).toMatchObject({
      body: { tags: { owner: 'factory' } },
    });
    expect((await arm('GET', `${DPS}/dps2/skus?api-version=2022-02-05`)).body).toEqual({ value: [{ name: 'S1' }] });
  });
});
