import { once } from 'node:events';
import { createServer } from 'node:net';
import { json } from 'node:stream/consumers';
import { inspect } from 'node:util';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  checkPrerequisites,
  clouds,
  createAzureSession,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getDeviceIdentity,
  getEnrollmentGroup,
  getIotHub,
  getResourceGroup,
} from '../src/index.ts';
import { DefaultAzureCredential } from '@azure/identity';
import { createRootAuthority } from '@contoso/pki';
import { failureOf } from './failure.ts';
import { cloudAt, sendJson, startLocalServer, testOptions } from './local-server.ts';
import type { Answer, LocalServer } from './local-server.ts';

let server: LocalServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function serve(answer: Answer, hostName?: string): Promise<LocalServer> {
  server = await startLocalServer(answer, hostName);
  return server;
}

const group = { name: 'rg', location: 'westeurope' };
const throttled = { errorCode: 429000, trackingId: 'trk', message: 'Too many requests' };

describe('retries', () => {
  it('waits out a 429 as Retry-After says', async () => {
    const { requests, session } = await serve((_request, response) => {
      if (requests.length < 3) sendJson(response, 429, throttled, { 'Retry-After': '0' });
      else sendJson(response, 200, group);
    });
    expect(await getResourceGroup(await session(), 'rg')).toEqual(group);
    expect(requests).toHaveLength(3);
  });

  it('repeats after a 503 and after a broken connection', async () => {
    const { requests, session } = await serve((request, response) => {
      if (requests.length === 1) sendJson(response, 503, {});
      else if (requests.length === 2) request.socket.destroy();
      else sendJson(response, 200, group);
    });
    expect(await getResourceGroup(await session(), 'rg')).toEqual(group);
  });

  it('gives up with ERR_THROTTLED, the tracking ID and the time to wait', async () => {
    const { session } = await serve((_request, response) => sendJson(response, 429, throttled, { 'Retry-After': '0' }));
    const error = await failureOf(async () =>
      getEnrollmentGroup(await session(), { dpsName: 'contoso', enrollmentGroupId: 'g' }),
    );
    expect(error).toMatchObject({
      code: 'ERR_THROTTLED',
      advice: 'retry',
      httpStatus: 429,
      azureCode: '429000',
      trackingId: 'trk',
      retryAfterMs: 0,
    });
    expect(error.message).toContain("enrollment group 'g'");
  });

  it('gives up with ERR_SERVICE_FAILED', async () => {
    const { requests, session } = await serve((_request, response) =>
      sendJson(response, 500, {
        Message: 'ErrorCode:ServerError;InternalServerError',
        ExceptionMessage: 'Tracking ID:abc-TimeStamp:x',
      }),
    );
    const error = await failureOf(async () =>
      getDeviceIdentity(await session(), { hubHostName: hub(), deviceId: 'd1' }),
    );
    expect(error).toMatchObject({
      code: 'ERR_SERVICE_FAILED',
      azureCode: 'ServerError',
      trackingId: 'abc-TimeStamp:x',
    });
    expect(requests).toHaveLength(3);
  });
});

function hub(): string {
  return `contoso.${server?.cloud.hubSuffix ?? ''}`;
}

describe('failures of the network', () => {
  it('ERR_CONNECTION_REFUSED names the host', async () => {
    const port = await freePort();
    const session = await createAzureSession(testOptions(cloudAt(port, '')));
    const error = await failureOf(() => getResourceGroup(session, 'rg'));
    expect(error).toMatchObject({ code: 'ERR_CONNECTION_REFUSED', advice: 'retry' });
    expect(error.message).toContain(`localhost:${port}`);
    const device = { hubHostName: `contoso.hubs.localhost:${port}`, deviceId: 'd' };
    expect((await failureOf(() => getDeviceIdentity(session, device))).message).toContain(device.hubHostName);
    expect((await failureOf(() => getIotHub(session, { resourceGroup: 'rg', hubName: 'hub' }))).code).toBe(
      'ERR_CONNECTION_REFUSED',
    );
  });

  it('ERR_CONNECTION_LOST', async () => {
    const { session } = await serve((request) => request.socket.destroy());
    expect((await failureOf(async () => getResourceGroup(await session(), 'rg'))).code).toBe('ERR_CONNECTION_LOST');
  });

  it('ERR_NAME_NOT_RESOLVED', async () => {
    const cloud = { ...cloudAt(1, ''), provisioningServiceSuffix: 'dps.invalid' };
    const session = await createAzureSession(testOptions(cloud));
    const error = await failureOf(() => getEnrollmentGroup(session, { dpsName: 'contoso', enrollmentGroupId: 'g' }));
    expect(error).toMatchObject({ code: 'ERR_NAME_NOT_RESOLVED' });
    expect(error.message).toContain('contoso.dps.invalid');
  });

  it('ERR_TLS_UNTRUSTED for a root that is not known', async () => {
    const { cloud, session } = await serve((_request, response) => sendJson(response, 200, group));
    const { trustedRootsPem, ...untrusting } = cloud;
    expect(trustedRootsPem).toBeDefined();
    const error = await failureOf(async () => getResourceGroup(await session({ cloud: untrusting }), 'rg'));
    expect(error).toMatchObject({ code: 'ERR_TLS_UNTRUSTED', advice: 'fix-input' });
    expect(error.message).toContain('trustedRootsPem');
  });

  it('ERR_TLS_UNTRUSTED for another host’s certificate', async () => {
    const { session } = await serve((_request, response) => sendJson(response, 200, group), 'elsewhere.example');
    expect((await failureOf(async () => getResourceGroup(await session(), 'rg'))).code).toBe('ERR_TLS_UNTRUSTED');
  });

  it('ERR_TIMEOUT when no answer comes', async () => {
    const { session } = await serve(() => undefined);
    const error = await failureOf(async () => getResourceGroup(await session({ requestTimeoutMs: 50 }), 'rg'));
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', advice: 'retry' });
    expect(
      (
        await failureOf(async () =>
          getIotHub(await server!.session({ requestTimeoutMs: 50 }), { resourceGroup: 'rg', hubName: 'hub' }),
        )
      ).code,
    ).toBe('ERR_TIMEOUT');
  });

  it('ERR_UNEXPECTED_ANSWER when somebody else answers', async () => {
    const { session } = await serve((_request, response) => response.end('<html>Sign in to the guest network</html>'));
    const error = await failureOf(async () => getResourceGroup(await session(), 'rg'));
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_ANSWER', httpStatus: 200 });
    expect(error.message).not.toContain('guest network');
  });
});

describe('signing in', () => {
  const servicePrincipal = { tenantId: '11111111-2222-3333-4444-555555555555', clientId: 'c', clientSecret: 's3cret' };

  it('ERR_CONNECTION_REFUSED when Entra ID is not there', async () => {
    const cloud = { ...cloudAt(await freePort(), ''), servicePrincipal };
    const { credential, ...options } = testOptions(cloud);
    expect(credential).toBeDefined();
    const error = await failureOf(async () => getResourceGroup(await createAzureSession(options), 'rg'));
    expect(error.code).toBe('ERR_CONNECTION_REFUSED');
    expect(error.message).not.toContain('s3cret');
  });

  it('ERR_TLS_UNTRUSTED when Entra ID’s certificate is not trusted', async () => {
    const { cloud } = await serve((_request, response) => sendJson(response, 200, {}), 'elsewhere.example');
    const { credential, ...options } = testOptions({ ...cloud, servicePrincipal });
    expect(credential).toBeDefined();
    expect((await failureOf(async () => getResourceGroup(await createAzureSession(options), 'rg'))).code).toBe(
      'ERR_TLS_UNTRUSTED',
    );
  });

  it('is left to DefaultAzureCredential where the cloud has no service principal', async () => {
    const session = await createAzureSession({ cloud: clouds.usgov, subscriptionId: 'mine' });
    expect(session.credential).toBeInstanceOf(DefaultAzureCredential);
  });
});

describe('names below localhost (RFC 6761 section 6.3)', () => {
  it('mean this machine, for DPS and hub', async () => {
    const { requests, session } = await serve((_request, response) => sendJson(response, 200, {}));
    const open = await session();
    await getEnrollmentGroup(open, { dpsName: 'contoso-dps', enrollmentGroupId: 'line:a' });
    await getDeviceIdentity(open, { hubHostName: hub(), deviceId: 'd#1'.replace('#', '@') });
    expect(requests).toEqual([
      'GET /enrollmentGroups/line%3Aa?api-version=2021-10-01',
      'GET /devices/d%401?api-version=2021-04-12',
    ]);
  });
});

describe('answers', () => {
  it('ERR_NOT_AUTHORIZED for 401 and 403', async () => {
    const { session } = await serve((request, response) =>
      sendJson(response, request.url?.includes('devices') === true ? 401 : 403, {
        error: { code: 'AuthorizationFailed', message: 'The client does not have authorization to perform action.' },
      }),
    );
    const open = await session();
    const error = await failureOf(() => getResourceGroup(open, 'rg'));
    expect(error).toMatchObject({ code: 'ERR_NOT_AUTHORIZED', advice: 'fix-access', azureCode: 'AuthorizationFailed' });
    expect((await failureOf(() => getDeviceIdentity(open, { hubHostName: hub(), deviceId: 'd' }))).code).toBe(
      'ERR_NOT_AUTHORIZED',
    );
  });

  it('ERR_REQUEST_REFUSED for 400, ERR_CONFLICT for 409', async () => {
    const { session } = await serve((request, response) =>
      sendJson(response, request.url?.includes('IotHubs') === true ? 409 : 400, { code: 1, message: 'No.' }),
    );
    const open = await session();
    expect((await failureOf(() => getResourceGroup(open, 'rg'))).code).toBe('ERR_REQUEST_REFUSED');
    expect((await failureOf(() => getIotHub(open, { resourceGroup: 'rg', hubName: 'hub' }))).code).toBe('ERR_CONFLICT');
  });
});

describe('a webhook for allocation, which the emulator does not call', () => {
  it('is sent as Azure wants it', async () => {
    let sent: unknown;
    const { session } = await serve((request, response) => {
      if (request.method === 'GET')
        sendJson(response, 404, { errorCode: 404204, message: 'Enrollment group not found.' });
      else {
        void json(request).then((body) => {
          sent = body;
          sendJson(response, 200, body);
        });
      }
    });
    const customAllocation = { webhookUrl: 'https://functions.example/allocate?code=x', apiVersion: '2021-10-01' };
    const { outcome, group } = await ensureEnrollmentGroup(await session(), {
      dpsName: 'contoso',
      enrollmentGroupId: 'g',
      caReference: 'rootCA',
      allocationPolicy: 'custom',
      customAllocation,
    });
    expect(outcome).toBe('created');
    expect(group).toMatchObject({ allocationPolicy: 'custom', customAllocation });
    expect(sent).toEqual({
      enrollmentGroupId: 'g',
      attestation: { type: 'x509', x509: { caReferences: { primary: 'rootCA' } } },
      provisioningStatus: 'enabled',
      allocationPolicy: 'custom',
      customAllocationDefinition: customAllocation,
    });
  });
});

describe('a hub without a policy that DPS could use', () => {
  it('ERR_HUB_POLICY_MISSING says how to get one; nothing is linked', async () => {
    const { requests, session } = await serve((request, response) => {
      const url = request.url ?? '';
      const resource = { name: 'hub', location: 'westeurope', sku: { name: 'S1' } };
      if (url.includes('/listkeys')) {
        sendJson(response, 200, {
          value: [{ keyName: 'service', primaryKey: 'a2V5', secondaryKey: 'a2V5', rights: 'ServiceConnect' }],
        });
      } else if (url.includes('/IotHubs/')) {
        sendJson(response, 200, { ...resource, properties: { state: 'Active', hostName: 'hub.azure-devices.net' } });
      } else sendJson(response, 200, { ...resource, properties: { state: 'Active', iotHubs: [] } });
    });
    const open = await session();
    const wanted = { resourceGroup: 'rg', dpsName: 'dps', hubNames: ['hub'], createMissing: true };
    const error = await failureOf(() => checkPrerequisites(open, wanted));
    expect(error).toMatchObject({ code: 'ERR_HUB_POLICY_MISSING', advice: 'fix-azure' });
    expect(error.message).toContain('az iot hub policy create --hub-name hub');
    expect(requests.filter((line) => line.startsWith('PUT'))).toEqual([]);
  });
});

describe('keys', () => {
  it('of a hub stand in no error, not even in what a logger prints of its causes', async () => {
    const { session } = await serve((request, response) => {
      const url = request.url ?? '';
      const resource = { name: 'hub', location: 'westeurope', sku: { name: 'S1' } };
      if (url.includes('/listkeys')) {
        sendJson(response, 200, {
          value: [{ keyName: 'iothubowner', primaryKey: 's3cretKey', rights: 'RegistryWrite, ServiceConnect' }],
        });
      } else if (request.method === 'PUT') {
        sendJson(response, 400, {
          code: 400303,
          httpStatusCode: 'BadRequest',
          message: 'Cannot have duplicate iot hubs.',
        });
      } else
        sendJson(response, 200, { ...resource, properties: { state: 'Active', hostName: 'hub.azure-devices.net' } });
    });
    const open = await session();
    const error = await failureOf(() =>
      checkPrerequisites(open, { resourceGroup: 'rg', dpsName: 'dps', hubNames: ['hub'], createMissing: true }),
    );
    expect(error).toMatchObject({ code: 'ERR_REQUEST_REFUSED', azureCode: '400303' });
    expect(inspect(error, { depth: 12, showHidden: true }) + JSON.stringify(error) + String(error.cause)).not.toContain(
      's3cretKey',
    );
  });
});

describe('a certificate that somebody deletes again and again', () => {
  it('ends in ERR_CERTIFICATE_NOT_FOUND', async () => {
    const { certificatePem } = await createRootAuthority({ commonName: 'Root' });
    const { session } = await serve((request, response) => {
      if (request.method === 'PUT')
        sendJson(response, 200, { name: 'rootCA', etag: 'MQ==', properties: { thumbprint: 'AB' } });
      else
        sendJson(response, 404, {
          code: 404015,
          httpStatusCode: 'NotFound',
          message: "Certificate 'rootCA' not found.",
        });
    });
    const open = await session();
    const error = await failureOf(() =>
      ensureRootCertificate(open, {
        resourceGroup: 'rg',
        dpsName: 'dps',
        certificatePem,
        signProof: () => Promise.resolve(''),
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_CERTIFICATE_NOT_FOUND', azureCode: '404015', advice: 're-read' });
  });
});

describe('subscriptions', () => {
  async function withSubscriptions(...names: string[]): Promise<LocalServer> {
    const { subscriptionId, ...cloud } = (
      await serve((request, response) => {
        const isFirst = request.url?.includes('page=') !== true;
        const page = isFirst ? names.slice(0, 1) : names.slice(1);
        sendJson(response, 200, {
          value: page.map((name) => ({ subscriptionId: `id-${name}`, displayName: name })),
          ...(isFirst && names.length > 1 ? { nextLink: `${cloud.resourceManagerEndpoint}/subscriptions?page=2` } : {}),
        });
      })
    ).cloud;
    expect(subscriptionId).toBeDefined();
    return { ...server!, cloud, session: (options) => server!.session({ cloud, ...options }) };
  }

  it('the only one is taken', async () => {
    expect((await (await withSubscriptions('prod')).session()).subscriptionId).toBe('id-prod');
  });

  it('one that is given is not looked up', async () => {
    const { session, requests } = await withSubscriptions('prod', 'test');
    expect((await session({ subscriptionId: 'mine' })).subscriptionId).toBe('mine');
    expect(requests).toEqual([]);
  });

  it('ERR_SUBSCRIPTION_AMBIGUOUS lists all pages', async () => {
    const { session } = await withSubscriptions('prod', 'test', 'lab');
    const error = await failureOf(() => session());
    expect(error.code).toBe('ERR_SUBSCRIPTION_AMBIGUOUS');
    expect(error.message).toMatch(/id-prod \(prod\), id-test \(test\), id-lab \(lab\)/);
  });

  it('ERR_SUBSCRIPTION_NOT_FOUND when none is visible', async () => {
    const { session } = await withSubscriptions();
    expect((await failureOf(() => session())).code).toBe('ERR_SUBSCRIPTION_NOT_FOUND');
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
