import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type DpsFixture, startDpsFixture } from './dps-fixture.ts';
import { callHttps } from './start-https.ts';

describe('shared access policies of a DPS', () => {
  let fixture: DpsFixture;
  const keys = new Map<string, string>();

  beforeAll(async () => {
    fixture = await startDpsFixture();
    const { dps } = fixture.clients;
    const before = await dps.iotDpsResource.get(fixture.names.dps, fixture.names.group);
    const policies = {
      reader: 'EnrollmentRead',
      writer: 'EnrollmentWrite',
      watcher: 'RegistrationStatusRead',
    } as const;
    await dps.iotDpsResource.beginCreateOrUpdateAndWait(fixture.names.group, fixture.names.dps, {
      ...before,
      properties: {
        ...before.properties,
        authorizationPolicies: Object.entries(policies).map(([keyName, rights]) => ({ keyName, rights })),
      },
    });
    for (const name of Object.keys(policies)) {
      const { secondaryKey } = await dps.iotDpsResource.listKeysForKeyName(
        fixture.names.dps,
        name,
        fixture.names.group,
      );
      keys.set(name, secondaryKey ?? '');
    }
  });
  afterAll(() => fixture.emulator.close());

  const ask = async (
    policy: string,
    method: string,
    path: string,
    changes: { readonly resource?: string; readonly keyOf?: string } = {},
  ) => {
    const host = `contoso-dps.${fixture.emulator.cloud.provisioningServiceSuffix}`;
    const resource = encodeURIComponent(changes.resource ?? host).toLowerCase();
    const expiry = Math.floor(Date.now() / 1000) + 60;
    const signature = createHmac('sha256', Buffer.from(keys.get(changes.keyOf ?? policy) ?? '', 'base64'))
      .update(`${resource}\n${expiry}`)
      .digest('base64');
    const { status } = await callHttps(fixture.emulator, {
      method,
      host,
      path: `${path}?api-version=2021-10-01`,
      headers: {
        Authorization: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${policy}`,
        'Content-Type': 'application/json',
      },
      ...(method === 'PUT' && { body: { attestation: { type: 'symmetricKey' } } }),
    });
    return status;
  };

  it('ok: each right opens its own calls, and writing includes reading', async () => {
    expect(await ask('writer', 'PUT', '/enrollments/one')).toBe(200);
    expect(await ask('writer', 'GET', '/enrollments/one')).toBe(200);
    expect(await ask('reader', 'GET', '/enrollments/one')).toBe(200);
    expect(await ask('watcher', 'GET', '/registrations/none')).toBe(404);
    expect(
      await ask('reader', 'GET', '/enrollments/one', {
        resource: 'contoso-dps.azure-devices-provisioning.net/enrollments',
      }),
    ).toBe(200);
  });

  it('fail: without the right, the policy, the key, or for another place', async () => {
    expect(await ask('reader', 'PUT', '/enrollments/two')).toBe(401);
    expect(await ask('watcher', 'GET', '/enrollments/one')).toBe(401);
    expect(await ask('watcher', 'DELETE', '/registrations/none')).toBe(401);
    expect(await ask('unheard-of', 'GET', '/enrollments/one')).toBe(401);
    expect(await ask('provisioningserviceowner', 'GET', '/enrollments/one')).toBe(401);
    expect(await ask('reader', 'GET', '/enrollments/one', { keyOf: 'writer' })).toBe(401);
    expect(
      await ask('reader', 'GET', '/enrollments/one', {
        resource: 'contoso-dps.azure-devices-provisioning.net/registrations',
      }),
    ).toBe(401);
    expect(
      await ask('reader', 'GET', '/enrollments/one', { resource: 'another-dps.azure-devices-provisioning.net' }),
    ).toBe(401);
  });
});
