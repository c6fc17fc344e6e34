import { afterEach, describe, expect, it } from '@jest/globals';
import { documentedDpsLimits } from '../src/index.ts';
import { issue } from './dps-certificates.ts';
import { type DpsFixture, groupOf, issueDevice, startDpsFixture } from './dps-fixture.ts';
import { callDeviceApi, callServiceApi, registerOverHttp } from './dps-wire.ts';

describe('limits of a DPS', () => {
  let fixture: DpsFixture;
  afterEach(() => fixture.emulator.close());

  const call = (method: string, path: string, body?: unknown) => callServiceApi(fixture, { method, path, body });
  const symmetric = { attestation: { type: 'symmetricKey' } };
  const throttled = (retryAfter: string) => ({
    status: 429,
    headers: { 'retry-after': retryAfter, 'x-ms-error-code': '429001' },
    body: { errorCode: 429001, message: 'Operations are being throttled for this tenant.' },
  });

  it('fail: one registration too many in a minute, of whatever device; ok: after it, and the tracking ID is in the log', async () => {
    fixture = await startDpsFixture({ dpsLimits: { registrationsPerMinute: 2 } });
    const line = await issue({ commonName: 'Line', issuer: fixture.root, isAuthority: true });
    await call('PUT', '/enrollmentGroups/line', groupOf('line', line));
    const devices = await Promise.all(['one', 'two', 'three'].map((id) => issueDevice(id, [line])));
    fixture.emulator.clock.freeze();
    const register = (index: number) => registerOverHttp(fixture, devices[index]!);
    expect([(await register(0)).status, (await register(1)).status]).toEqual([200, 200]);
    const refused = await register(2);
    expect(refused).toMatchObject(throttled('60'));
    const { trackingId } = refused.body as { trackingId: string };
    expect(fixture.log.at(-1)).toMatch(
      new RegExp(`refused three .*${trackingId}.*more than 2 registrations within 60 s`),
    );
    fixture.emulator.clock.advance(60_001);
    expect((await register(2)).status).toBe(200);
    expect((await callDeviceApi(fixture, devices[2]!, { method: 'POST', path: '' })).status).toBe(200);
  });

  it('fail: one call of the service plane too many in a minute', async () => {
    fixture = await startDpsFixture({ dpsLimits: { operationsPerMinute: 3 } });
    fixture.emulator.clock.freeze();
    for (let count = 0; count < 3; count += 1) expect((await call('GET', '/enrollments/none')).status).toBe(404);
    const refused = await call('GET', '/enrollments/none');
    expect(refused).toMatchObject(throttled('60'));
    expect(fixture.log.at(-1)).toContain((refused.body as { trackingId: string }).trackingId);
    fixture.emulator.clock.advance(60_001);
    expect((await call('GET', '/enrollments/none')).status).toBe(404);
  });

  it('fail: quotas of entries and of registration records; what is there may still be changed', async () => {
    fixture = await startDpsFixture({
      dpsLimits: { individualEnrollments: 1, x509Groups: 1, symmetricKeyGroups: 1, registrations: 1 },
    });
    const [line, other] = await Promise.all(
      ['Line', 'Other'].map((commonName) => issue({ commonName, issuer: fixture.root, isAuthority: true })),
    );
    const full = (what: string) => ({
      status: 400,
      body: { errorCode: 400205, message: `There are 1 ${what}, which is the quota.` },
    });
    expect((await call('PUT', '/enrollmentGroups/line', groupOf('line', line!))).status).toBe(200);
    expect(await call('PUT', '/enrollmentGroups/other', groupOf('other', other!))).toMatchObject(
      full('enrollment groups of type x509'),
    );
    expect((await call('PUT', '/enrollmentGroups/keys', symmetric)).status).toBe(200);
    expect(await call('PUT', '/enrollmentGroups/more-keys', symmetric)).toMatchObject(
      full('enrollment groups of type symmetricKey'),
    );
    expect((await call('PUT', '/enrollments/one', symmetric)).status).toBe(200);
    expect((await call('PUT', '/enrollments/two', symmetric)).body).toMatchObject({ errorCode: 400205 });
    const [first, second] = await Promise.all(['d1', 'd2'].map((id) => issueDevice(id, [line!])));
    expect((await registerOverHttp(fixture, first!)).body).toMatchObject({ status: 'assigned' });
    expect((await registerOverHttp(fixture, second!)).body).toMatchObject({
      status: 'failed',
      registrationState: { errorCode: 400205, errorMessage: 'There are 1 registrations, which is the quota.' },
    });
    expect((await registerOverHttp(fixture, first!)).body).toMatchObject({ status: 'assigned' });
    expect((await call('DELETE', '/registrations/d1')).status).toBe(204);
    expect((await registerOverHttp(fixture, second!)).body).toMatchObject({ status: 'assigned' });
  });

  it('fail: one ID twice in a bulk operation; nothing of it is done', async () => {
    fixture = await startDpsFixture({ dpsLimits: 'documented' });
    const item = { registrationId: 'twin', ...symmetric };
    expect(
      await call('POST', '/enrollments', { mode: 'create', enrollments: [item, { ...item, registrationId: 'TWIN' }] }),
    ).toMatchObject({ status: 400, body: { errorCode: 400206 } });
    expect((await call('GET', '/enrollments/twin')).status).toBe(404);
  });

  it('ok: the documented figures', async () => {
    fixture = await startDpsFixture({ dpsLimits: 'documented' });
    expect(documentedDpsLimits).toMatchObject({ registrationsPerMinute: 1000, pollsPerTenSeconds: 5, x509Groups: 100 });
    const item = (index: number) => call('PUT', `/enrollmentGroups/keys-${index}`, symmetric);
    for (let index = 0; index < 100; index += 1) expect((await item(index)).status).toBe(200);
    expect(await item(100)).toMatchObject({ status: 400, body: { errorCode: 400205 } });
  });
});
