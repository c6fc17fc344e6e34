import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClientSecretCredential } from '@azure/identity';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { callHttps } from './start-https.ts';

describe('Entra ID', () => {
  const start = Date.now();
  let now = start;
  let emulator: AzureIotEmulator;

  beforeAll(async () => {
    emulator = await startAzureIot({ now: () => now });
  });
  afterAll(() => emulator.close());

  const credentialOf = (changes: Partial<Record<'tenantId' | 'clientId' | 'clientSecret', string>> = {}) => {
    const { tenantId, clientId, clientSecret } = { ...emulator.cloud.servicePrincipal, ...changes };
    const { authorityHost, trustedRootsPem } = emulator.cloud;
    return new ClientSecretCredential(tenantId, clientId, clientSecret, {
      authorityHost,
      disableInstanceDiscovery: true,
      tlsOptions: { ca: trustedRootsPem },
    });
  };

  it('ok: @azure/identity gets a token for each plane, good for an hour, signed by a published key', async () => {
    const { tenantId, clientId } = emulator.cloud.servicePrincipal;
    const { body: keys } = await callHttps(emulator, { method: 'GET', path: `/${tenantId}/discovery/v2.0/keys` });
    const keySet = createLocalJWKSet(keys as JSONWebKeySet);
    const { resourceManagerAudience, provisioningServiceAudience, hubAudience, authorityHost } = emulator.cloud;
    for (const audience of [resourceManagerAudience, provisioningServiceAudience, hubAudience, authorityHost]) {
      const { token, expiresOnTimestamp } = await credentialOf().getToken(`${audience}/.default`);
      const { payload } = await jwtVerify(token, keySet, { audience, issuer: `${authorityHost}/${tenantId}/v2.0` });
      expect(payload).toMatchObject({ appid: clientId, tid: tenantId });
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
      expect(expiresOnTimestamp).toBeGreaterThan(Date.now() + 3_500_000);
    }
  });

  it('fail: wrong secret, application, tenant and resource, in Entra ID’s words', async () => {
    const scope = 'https://management.azure.com/.default';
    await expect(credentialOf({ clientSecret: 'wrong' }).getToken(scope)).rejects.toThrow(
      /^invalid_client: .*AADSTS7000215: Invalid client secret provided\./,
    );
    await expect(credentialOf({ clientId: '00000000-0000-0000-0000-000000000001' }).getToken(scope)).rejects.toThrow(
      /AADSTS700016/,
    );
    await expect(credentialOf({ tenantId: '00000000-0000-0000-0000-000000000002' }).getToken(scope)).rejects.toThrow(
      /endpoints_resolution_error|AADSTS90002/,
    );
    await expect(credentialOf().getToken('https://elsewhere.example/.default')).rejects.toThrow(/AADSTS500011/);
  });

  it('fail: the errors that no Microsoft client provokes', async () => {
    const { tenantId, clientId, clientSecret } = emulator.cloud.servicePrincipal;
    const ask = async (fields: Readonly<Record<string, string>>, tenant: string = tenantId) =>
      callHttps(emulator, {
        method: 'POST',
        path: `/${tenant}/oauth2/v2.0/token`,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(fields).toString(),
      });
    const good = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
    expect(await ask({}, 'no-such-tenant')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_codes: [90002] },
    });
    expect(await ask({ ...good, grant_type: 'password' })).toMatchObject({
      status: 400,
      body: { error: 'unsupported_grant_type', error_codes: [70003] },
    });
    expect(await ask({ grant_type: 'client_credentials' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_codes: [900144] },
    });
    expect(await ask({ ...good, scope: 'https://management.azure.com' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_scope', error_codes: [1002012] },
    });
    const { status, body } = await ask({ ...good, client_secret: 'not-it' });
    expect([status, body]).toMatchObject([401, { error: 'invalid_client', error_codes: [7000215] }]);
    expect(JSON.stringify(body)).not.toContain('not-it');
  });

  it('ok: the older protocol with a bare resource, under the name that the Azure CLI uses', async () => {
    const { clientId, clientSecret } = emulator.cloud.servicePrincipal;
    const configuration = await callHttps(emulator, { method: 'GET', path: '/adfs/.well-known/openid-configuration' });
    expect(configuration.body).toMatchObject({
      token_endpoint: `${emulator.cloud.authorityHost}/adfs/oauth2/v2.0/token`,
    });
    const fields = {
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      resource: 'https://management.core.windows.net/',
    };
    const { status, body } = await callHttps(emulator, {
      method: 'POST',
      path: '/adfs/oauth2/token',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
    expect([status, body]).toMatchObject([200, { token_type: 'Bearer', expires_in: 3600 }]);
    const { access_token: token } = body as { access_token: string };
    const call = {
      method: 'GET',
      path: '/subscriptions?api-version=2019-11-01',
      headers: { Authorization: `Bearer ${token}` },
    };
    expect(await callHttps(emulator, call)).toMatchObject({
      status: 200,
      body: { value: [{ subscriptionId: emulator.subscriptionId }] },
    });
  });

  it('ok: instance discovery names this host alone', async () => {
    const { body } = await callHttps(emulator, { method: 'GET', path: '/common/discovery/instance?api-version=1.1' });
    expect(body).toMatchObject({ metadata: [{ preferred_network: `localhost:${emulator.httpsPort}` }] });
  });

  it('fail: a token that has expired, or is for another plane, opens nothing', async () => {
    const { token } = await credentialOf().getToken('https://management.azure.com/.default');
    const { token: hubToken } = await credentialOf().getToken('https://iothubs.azure.net/.default');
    const ask = (bearer: string) =>
      callHttps(emulator, {
        method: 'GET',
        path: '/subscriptions?api-version=2021-01-01',
        headers: { Authorization: `Bearer ${bearer}` },
      });
    expect((await ask(token)).status).toBe(200);
    expect(await ask(hubToken)).toMatchObject({ status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } });
    now = start + 3_601_000;
    expect(await ask(token)).toMatchObject({ status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } });
    now = start;
  });
});
