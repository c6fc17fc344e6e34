import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Issued, issue } from './dps-certificates.ts';
import { type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callDeviceApi, callServiceApi, registerOverHttp } from './dps-wire.ts';
import { callHttps } from './start-https.ts';

describe('DPS’s device API over HTTP', () => {
  const start = Date.now();
  let now = start;
  let fixture: DpsFixture;
  let line: Issued;

  beforeAll(async () => {
    fixture = await startDpsFixture({ now: () => now, registrationRetryAfterSeconds: 3 });
    line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
    await callServiceApi(fixture, { method: 'PUT', path: '/enrollmentGroups/line', body: groupOf('line', line) });
  });
  afterAll(() => fixture.emulator.close());

  it('ok: 202 with Retry-After and an operation, then 200 with what the documents show', async () => {
    const device = await issueDevice('http-1', [line]);
    const accepted = await callDeviceApi(fixture, device, {
      method: 'PUT',
      path: '/register',
      body: { registrationId: 'http-1' },
    });
    expect(accepted).toMatchObject({
      status: 202,
      headers: {
        'retry-after': '3',
        location: expect.stringMatching(/\/registrations\/http-1\/register$/),
        'x-ms-request-id': expect.any(String),
      },
      body: { operationId: expect.stringMatching(/^5\.[0-9a-f]{16}\.[0-9a-f-]{36}$/), status: 'assigning' },
    });
    const { operationId } = accepted.body as { operationId: string };
    const assigned = await callDeviceApi(fixture, device, { method: 'GET', path: `/operations/${operationId}` });
    const registrationState = {
      x509: { enrollmentGroupId: 'line' },
      registrationId: 'http-1',
      createdDateTimeUtc: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/),
      assignedHub: fixture.hubHost,
      deviceId: 'http-1',
      status: 'assigned',
      substatus: 'initialAssignment',
      lastUpdatedDateTimeUtc: expect.any(String),
      etag: expect.any(String),
    };
    expect([assigned.status, assigned.body]).toEqual([200, { operationId, status: 'assigned', registrationState }]);
    expect(await callDeviceApi(fixture, device, { method: 'POST', path: '' })).toMatchObject({
      status: 200,
      body: registrationState,
    });
  });

  it('ok: whoever the hub knew already is told so from 2019-04-15 on, and not before', async () => {
    const device = await issueDevice('http-2', [line]);
    await registerOverHttp(fixture, device);
    expect((await registerOverHttp(fixture, device)).body).toMatchObject({
      registrationState: { substatus: 'reprovisionedToInitialAssignment' },
    });
    expect((await registerOverHttp(fixture, device, '2019-03-31')).body).toMatchObject({
      registrationState: { substatus: 'initialAssignment' },
    });
  });

  it('fail: without a certificate, with another device’s operation, with a body that does not fit', async () => {
    const [one, two] = await Promise.all([issueDevice('http-3', [line]), issueDevice('http-4', [line])]);
    const bare = await callHttps(fixture.emulator, {
      method: 'PUT',
      host: fixture.emulator.cloud.provisioningDeviceEndpoint,
      path: `/${fixture.idScope}/registrations/http-3/register?api-version=2021-06-01`,
      body: { registrationId: 'http-3' },
    });
    expect(bare).toMatchObject({
      status: 401,
      headers: { 'x-ms-error-code': '401002' },
      body: { errorCode: 401002, message: 'Unauthorized' },
    });
    const register = (body: unknown) => callDeviceApi(fixture, one, { method: 'PUT', path: '/register', body });
    const { operationId } = (await register({ registrationId: 'http-3' })).body as { operationId: string };
    expect(await callDeviceApi(fixture, two, { method: 'GET', path: `/operations/${operationId}` })).toMatchObject({
      status: 404,
      body: { errorCode: 404203 },
    });
    expect(await callDeviceApi(fixture, two, { method: 'POST', path: '' })).toMatchObject({
      status: 404,
      body: { errorCode: 404202 },
    });
    const tpm = { registrationId: 'http-3', tpm: { endorsementKey: 'AToAAQ', storageRootKey: 'AToAAQ' } };
    for (const body of [{ registrationId: 'http-4' }, {}, [], '{', { registrationId: 'http-3', csr: 'MIIB' }, tpm]) {
      expect(await register(body)).toMatchObject({ status: 400, body: { errorCode: 400004 } });
    }
    for (const apiVersion of ['2021-11-01-preview', '2030-01-01']) {
      expect(await callDeviceApi(fixture, one, { method: 'POST', path: '', apiVersion })).toMatchObject({
        status: 400,
        body: { errorCode: 400004, message: expect.stringMatching(/^Unknown api version .* 2019-03-31, /) },
      });
    }
    const unversioned = await callDeviceApi(fixture, one, { method: 'POST', path: '', apiVersion: 'soon' });
    expect(unversioned).toMatchObject({
      status: 400,
      body: { errorCode: 400004, message: expect.stringContaining("'soon'") },
    });
    const foreign = await callDeviceApi({ ...fixture, idScope: '0ne00000000' }, one, {
      method: 'PUT',
      path: '/register',
      body: { registrationId: 'http-3' },
    });
    expect(foreign).toMatchObject({ status: 401, body: { errorCode: 401002 } });
    expect(fixture.log.at(-1)).toContain('no DPS has ID scope 0ne00000000');
    const strange = await callDeviceApi(
      fixture,
      { ...one, registrationId: 'http_3!' },
      { method: 'PUT', path: '/register', body: { registrationId: 'http_3!' } },
    );
    expect(strange).toMatchObject({ status: 400, body: { errorCode: 400004, message: 'Invalid RegistrationId.' } });
    expect(await callDeviceApi(fixture, one, { method: 'DELETE', path: '/register' })).toMatchObject({
      status: 501,
      body: { errorCode: 501000 },
    });
  });

  it('fail: the sixth poll within ten seconds is throttled; after the window polls are taken again', async () => {
    const device = await issueDevice('http-5', [line]);
    const poll = () => callDeviceApi(fixture, device, { method: 'GET', path: '/operations/none' });
    const statuses = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await poll()).status);
    expect(statuses).toEqual([404, 404, 404, 404, 404]);
    now += 4_000;
    expect(await poll()).toMatchObject({ status: 429, headers: { 'retry-after': '6' }, body: { errorCode: 429001 } });
    now += 6_000;
    expect((await poll()).status).toBe(404);
  });

  it('fail: a certificate that was good expires as the emulator’s clock goes on', async () => {
    const device = await issueDevice('http-6', [line]);
    expect((await registerOverHttp(fixture, device)).status).toBe(200);
    now = start + 31 * 86_400_000;
    expect(await registerOverHttp(fixture, device)).toMatchObject({
      status: 401,
      body: { message: 'Invalid certificate.' },
    });
    now = start;
  });

  it('ok and fail: symmetric keys, of an individual enrollment and derived from a group’s', async () => {
    const groupKey = Buffer.alloc(32, 1).toString('base64');
    const ownKey = Buffer.alloc(32, 2).toString('base64');
    const symmetric = (key: string) => ({
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } },
    });
    await callServiceApi(fixture, { method: 'PUT', path: '/enrollmentGroups/keys', body: symmetric(groupKey) });
    await callServiceApi(fixture, { method: 'PUT', path: '/enrollments/own-key', body: symmetric(ownKey) });
    const derived = createHmac('sha256', Buffer.from(groupKey, 'base64')).update('of-group').digest('base64');
    const register = async (
      registrationId: string,
      key: string,
      changes: { readonly resource?: string; readonly expiry?: number } = {},
    ) => {
      const resource = encodeURIComponent(changes.resource ?? `${fixture.idScope}/registrations/${registrationId}`);
      const expiry = changes.expiry ?? Math.floor(now / 1000) + 60;
      const signature = createHmac('sha256', Buffer.from(key, 'base64'))
        .update(`${resource}\n${expiry}`)
        .digest('base64');
      return callHttps(fixture.emulator, {
        method: 'PUT',
        host: fixture.emulator.cloud.provisioningDeviceEndpoint,
        path: `/${fixture.idScope}/registrations/${registrationId}/register?api-version=2021-06-01`,
        headers: {
          Authorization: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=registration`,
        },
        body: { registrationId },
      });
    };
    expect((await register('of-group', derived)).status).toBe(202);
    expect((await register('own-key', ownKey)).status).toBe(202);
    expect(fixture.emulator.hub(fixture.names.hub).twinOf('of-group')).toMatchObject({ authenticationType: 'sas' });
    const refused = await Promise.all([
      register('own-key', groupKey),
      register('unknown', ownKey),
      register('own-key', ownKey, { resource: `${fixture.idScope}/registrations/other` }),
      register('own-key', ownKey, { expiry: Math.floor(now / 1000) - 3600 }),
    ]);
    for (const answer of refused)
      expect(answer).toMatchObject({ status: 401, body: { errorCode: 401002, message: 'Unauthorized' } });
    await callServiceApi(fixture, {
      method: 'PUT',
      path: '/enrollments/own-key',
      body: { ...symmetric(ownKey), provisioningStatus: 'disabled' },
      headers: { 'If-Match': '*' },
    });
    expect((await register('own-key', ownKey)).status).toBe(401);
  });
});
