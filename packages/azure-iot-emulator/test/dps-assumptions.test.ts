import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { armAssumptionNotes, defaultArmAssumptions } from '../src/arm/arm-assumptions.ts';
import { defaultDpsAssumptions, dpsAssumptionNotes } from '../src/dps/dps-assumptions.ts';
import type { ArmAssumptions, DpsAssumptions } from '../src/index.ts';
import { type Issued, issue, issueRoot } from './dps-certificates.ts';
import { type DeviceCredentials, type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callDeviceApi, callServiceApi, registerOverHttp } from './dps-wire.ts';
import { ownerConnectionString } from './start-clients.ts';

/** Every default is what the other tests show; here each assumption is made otherwise. */
describe('what is assumed, assumed otherwise', () => {
  let fixture: DpsFixture;
  let line: Issued;
  afterEach(() => fixture.emulator.close());

  const start = async (dps: Partial<DpsAssumptions>, more: Partial<Parameters<typeof startDpsFixture>[0]> = {}) => {
    fixture = await startDpsFixture({ assumptions: { dps }, ...more });
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true, pathLength: 0 });
    await call('PUT', '/enrollmentGroups/line', groupOf('line', line));
  };
  const call = (method: string, path: string, body?: unknown, headers = {}) =>
    callServiceApi(fixture, { method, path, body, headers });
  const register = (device: DeviceCredentials) => registerOverHttp(fixture, device);

  it('disabledEnrollment: the device is told by its operation', async () => {
    await start({ disabledEnrollment: 'status' });
    await call('PUT', '/enrollments/blocked', {
      attestation: { type: 'symmetricKey' },
      provisioningStatus: 'disabled',
    });
    expect(await register(await issueDevice('blocked', [line]))).toMatchObject({
      status: 200,
      body: { status: 'disabled', registrationState: { registrationId: 'blocked', status: 'disabled' } },
    });
    expect(fixture.emulator.hub(fixture.names.hub).hasDevice('blocked')).toBe(false);
  });

  it('refusal: a wrong certificate is told by the poll', async () => {
    await start({ refusal: 'operation' });
    expect(await register(await issueDevice('expired', [line], { notBeforeDays: -9, notAfterDays: -1 }))).toMatchObject(
      {
        status: 200,
        body: { status: 'failed', registrationState: { errorCode: 401002, errorMessage: 'Invalid certificate.' } },
      },
    );
  });

  it('unknownDevice: a device that no enrollment knows', async () => {
    await start({ unknownDevice: 'notFound' });
    const other = await issue({ commonName: 'Other line', issuer: fixture.root, isAuthority: true });
    expect(await register(await issueDevice('stranger', [other]))).toMatchObject({
      status: 404,
      body: { errorCode: 404201 },
    });
  });

  it('upperCaseRegistrationId: as it was in 2018', async () => {
    await start({ upperCaseRegistrationId: 'refuse' });
    expect(await register(await issueDevice('Device-1', [line]))).toMatchObject({
      status: 400,
      body: { errorCode: 400004, message: 'Invalid RegistrationId.' },
    });
  });

  it('allowedHub: a device is allocated anew each time', async () => {
    const latency = new Map<string, number>();
    await start({ allowedHub: 'reallocate' }, { hubLatencyMs: (hubName) => latency.get(hubName) });
    const { hubs, dps } = fixture.clients;
    const sku = { name: 'S1', capacity: 1 };
    await hubs.iotHubResource.beginCreateOrUpdateAndWait(fixture.names.group, 'near-hub', { location: 'x', sku });
    const before = await dps.iotDpsResource.get(fixture.names.dps, fixture.names.group);
    const connectionStrings = await Promise.all(
      [fixture.names.hub, 'near-hub'].map((hub) => ownerConnectionString(hubs, { ...fixture.names, hub })),
    );
    await dps.iotDpsResource.beginCreateOrUpdateAndWait(fixture.names.group, fixture.names.dps, {
      ...before,
      properties: {
        ...before.properties,
        allocationPolicy: 'GeoLatency',
        iotHubs: connectionStrings.map((connectionString) => ({ connectionString, location: 'x' })),
      },
    });
    const device = await issueDevice('roamer', [line]);
    const hubOf = async () =>
      ((await register(device)).body as { registrationState: { assignedHub: string } }).registrationState.assignedHub;
    expect(await hubOf()).toBe(fixture.hubHost);
    latency.set('near-hub', 1);
    expect(await hubOf()).toMatch(/^near-hub\./);
  });

  it('groupDeviceIdentity: the hub asks for the chain', async () => {
    await start({ groupDeviceIdentity: 'certificateAuthority' });
    await register(await issueDevice('by-ca', [line]));
    expect(fixture.emulator.hub(fixture.names.hub).twinOf('by-ca')).toMatchObject({
      authenticationType: 'certificateAuthority',
    });
  });

  it('expiredAuthority and pathLength: a chain is looked at less closely', async () => {
    await start({ expiredAuthority: 'accept', pathLength: 'ignore' });
    const deeper = await issue({ commonName: 'Too deep', issuer: line, isAuthority: true });
    expect((await register(await issueDevice('deep', [deeper, line]))).status).toBe(200);
    const expired = await issue({
      ...{ commonName: 'Expired Root', isAuthority: true },
      ...{ notBeforeDays: -9, notAfterDays: -1 },
    });
    await fixture.clients.dps.dpsCertificate.createOrUpdate(fixture.names.group, fixture.names.dps, 'expired', {
      properties: { certificate: Buffer.from(expired.base64, 'base64'), isVerified: true },
    });
    const young = await issue({ commonName: 'Young line', issuer: expired, isAuthority: true });
    await call('PUT', '/enrollmentGroups/young', groupOf('young', young));
    expect((await register(await issueDevice('young-1', [young]))).status).toBe(200);
  });

  it('statusLookUp: looking up counts as a registration', async () => {
    await start({ statusLookUp: 'counted' }, { dpsLimits: { registrationsPerMinute: 2 } });
    const device = await issueDevice('asker', [line]);
    await register(device);
    const lookUp = async () => (await callDeviceApi(fixture, device, { method: 'POST', path: '' })).status;
    expect([await lookUp(), await lookUp()]).toEqual([200, 429]);
  });

  it('serviceVersion2019: refused, as instances of today are said to', async () => {
    await start({ serviceVersion2019: 'refuse' });
    expect(await call('GET', '/enrollmentGroups/line?api-version=2019-03-31')).toMatchObject({
      status: 400,
      body: { Message: expect.stringMatching(/^ErrorCode:ArgumentInvalid;Unknown api version; .*2021-10-01/) },
    });
  });

  it('webhookTimeoutSeconds: a webhook that says nothing is given up', async () => {
    const { Webhook } = await import('./dps-webhook.ts');
    const webhook = new Webhook();
    await webhook.open();
    webhook.answer = () => new Promise(() => undefined);
    await start({ webhookTimeoutSeconds: 0.05 }, { dpsLimits: { pollsPerTenSeconds: Infinity } });
    await call(
      'PUT',
      '/enrollmentGroups/line',
      groupOf('line', line, {
        allocationPolicy: 'custom',
        customAllocationDefinition: { webhookUrl: webhook.url, apiVersion: '2019-03-31' },
      }),
      { 'If-Match': '*' },
    );
    let answer = await register(await issueDevice('waiter', [line]));
    const { operationId } = answer.body as { operationId: string };
    const device = await issueDevice('waiter', [line]);
    while (answer.status === 202) {
      answer = await callDeviceApi(fixture, device, { method: 'GET', path: `/operations/${operationId}` });
    }
    expect(answer.body).toMatchObject({ status: 'failed', registrationState: { errorCode: 400207 } });
    await webhook.close();
  });

  it('Resource Manager: linkedHubKey and expiredProof', async () => {
    const arm: ArmAssumptions = { linkedHubKey: 'accept', expiredProof: 'accept' };
    fixture = await startDpsFixture({ assumptions: { arm } });
    const { dps } = fixture.clients;
    const before = await dps.iotDpsResource.get(fixture.names.dps, fixture.names.group);
    const connectionString =
      'HostName=elsewhere.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=YQ==';
    const changed = await dps.iotDpsResource.beginCreateOrUpdateAndWait(fixture.names.group, fixture.names.dps, {
      ...before,
      properties: { ...before.properties, iotHubs: [{ connectionString, location: 'x' }] },
    });
    expect(changed.properties.iotHubs).toMatchObject([{ name: 'elsewhere.azure-devices.net' }]);
    const root = await issueRoot('Another Root');
    const { dpsCertificate } = dps;
    const { etag = '' } = await dpsCertificate.createOrUpdate(fixture.names.group, fixture.names.dps, 'another', {
      properties: { certificate: Buffer.from(root.base64, 'base64') },
    });
    const coded = await dpsCertificate.generateVerificationCode(
      'another',
      etag,
      fixture.names.group,
      fixture.names.dps,
    );
    const proof = await issue({
      ...{ commonName: coded.properties?.verificationCode ?? '', issuer: root },
      ...{ notBeforeDays: -9, notAfterDays: -1 },
    });
    const verified = await dpsCertificate.verifyCertificate(
      'another',
      coded.etag ?? '',
      fixture.names.group,
      fixture.names.dps,
      { certificate: proof.base64 },
    );
    expect(verified.properties?.isVerified).toBe(true);
  });

  it('each has a note that says what is known', async () => {
    fixture = await startDpsFixture();
    expect(Object.keys(dpsAssumptionNotes)).toEqual(Object.keys(defaultDpsAssumptions));
    expect(Object.keys(armAssumptionNotes)).toEqual(Object.keys(defaultArmAssumptions));
    const support = await readFile(new URL('../SUPPORT.md', import.meta.url), 'utf8');
    for (const [name, { mark, source }] of Object.entries({ ...dpsAssumptionNotes, ...armAssumptionNotes })) {
      expect(support).toMatch(new RegExp(`\\| \`(?:dps|arm)\\.${name}\` .*\\| ${mark} `));
      expect(support).toContain(source);
    }
  });
});
