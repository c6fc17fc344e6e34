import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gatewayErrorCodes, ProviderError, providerErrorNames } from '../src/arm/arm-error.ts';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { type ArmWire, createArmWire } from './arm-wire.ts';
import { type Issued, issue, issueRoot } from './dps-certificates.ts';
import { type Answer, callHttps } from './start-https.ts';

const VERSION = '?api-version=2022-02-05';
const HUB_VERSION = '?api-version=2021-07-02';
const DPS = 'resourceGroups/rg/providers/Microsoft.Devices/provisioningServices';
const HUB = 'resourceGroups/rg/providers/Microsoft.Devices/IotHubs';
const dpsBody = { location: 'westus', sku: { name: 'S1', capacity: 1 }, properties: {} };

describe('Resource Manager’s errors', () => {
  let emulator: AzureIotEmulator;
  let arm: ArmWire;
  let root: Issued;
  const seen = new Set<string | number>();

  beforeAll(async () => {
    emulator = await startAzureIot();
    arm = await createArmWire(emulator);
    root = await issueRoot('Root');
    for (const group of ['rg', 'rg2'])
      await arm('PUT', `resourcegroups/${group}?api-version=2021-04-01`, { location: 'westus' });
    await arm('PUT', `${HUB}/hub${HUB_VERSION}`, { location: 'westus', sku: { name: 'S1', capacity: 1 } });
    await arm('PUT', `${DPS}/dps${VERSION}`, dpsBody);
  });
  afterAll(() => emulator.close());

  /** A flat error of the Devices provider. */
  const expectProvider = (answer: Answer, status: number, code: number, text: RegExp) => {
    expect(answer).toMatchObject({
      status,
      body: { code, httpStatusCode: expect.any(String), message: expect.stringMatching(text) },
    });
    expect((answer.body as { message: string }).message).toMatch(
      new RegExp(
        `include this correlation identifier: [0-9a-f-]{36}, timestamp: \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ, errorcode: IH${code}\\.$`,
      ),
    );
    seen.add(code);
  };
  /** An enveloped error of the gateway. */
  const expectGateway = (answer: Answer, status: number, code: string, text: RegExp) => {
    expect(answer).toMatchObject({ status, body: { error: { code, message: expect.stringMatching(text) } } });
    seen.add(code);
  };
  const certificate = (name: string) => `${DPS}/dps/certificates/${name}`;

  it('fail: who is not let in', async () => {
    const path = `/subscriptions/${emulator.subscriptionId}?api-version=2021-01-01`;
    const anonymous = await callHttps(emulator, { method: 'GET', path });
    expectGateway(anonymous, 401, 'AuthenticationFailed', /'Authorization' header is missing/);
    expect(anonymous.headers['www-authenticate']).toMatch(/^Bearer /);
    const forged = await callHttps(emulator, { method: 'GET', path, headers: { Authorization: 'Bearer a.b.c' } });
    expectGateway(forged, 401, 'InvalidAuthenticationToken', /access token is invalid/);
  });

  it('fail: what is asked of the wrong place, in a wrong version, or not supported', async () => {
    expectGateway(
      await arm('GET', '/subscriptions/other?api-version=2021-01-01'),
      404,
      'SubscriptionNotFound',
      /'other'/,
    );
    expectGateway(
      await arm('GET', 'resourcegroups/none?api-version=2021-04-01'),
      404,
      'ResourceGroupNotFound',
      /^Resource group 'none' could not be found\.$/,
    );
    expectGateway(
      await arm('PUT', `resourceGroups/none/providers/Microsoft.Devices/IotHubs/h23${HUB_VERSION}`, dpsBody),
      404,
      'ResourceGroupNotFound',
      /'none'/,
    );
    expectGateway(
      await arm('GET', `${DPS}/never${VERSION}`),
      404,
      'ResourceNotFound',
      /provisioningServices\/never' under resource group 'rg' was not found/,
    );
    expectGateway(await arm('GET', `${DPS}/dps`), 400, 'MissingApiVersionParameter', /is required/);
    expectGateway(
      await arm('GET', `${DPS}/dps?api-version=2016-01-01`),
      400,
      'NoRegisteredProviderFound',
      /API version '2016-01-01' for type 'provisioningServices'.*2022-02-05/,
    );
    expectGateway(await arm('GET', 'resourcegroups/rg?api-version=soon'), 400, 'InvalidApiVersionParameter', /'soon'/);
    expectGateway(
      await arm('GET', `${HUB}/hub/quotaMetrics${HUB_VERSION}`),
      501,
      'NotImplemented',
      /does not support GET .*quotaMetrics/,
    );
    expectGateway(
      await arm('GET', `${DPS}/dps/operationResults/bm9uZQ==${VERSION}`),
      404,
      'OperationNotFound',
      /operation/,
    );
    expectGateway(await arm('PUT', `${DPS}/dps${VERSION}`, '{'), 400, 'InvalidRequestContent', /not valid JSON/);
    expectGateway(await arm('PUT', `${DPS}/dps${VERSION}`), 400, 'InvalidRequestContent', /expected a JSON object/);
    expectGateway(
      await arm('POST', `providers/Microsoft.Devices/checkNameAvailability${HUB_VERSION}`, {}),
      400,
      'InvalidRequestContent',
      /"name"/,
    );
  });

  it('fail: locations', async () => {
    expectGateway(
      await arm('PUT', 'resourcegroups/rg?api-version=2021-04-01', { location: 'eastus' }),
      409,
      'InvalidResourceGroupLocation',
      /already exists in location 'westus'/,
    );
    expectGateway(
      await arm('PUT', 'resourcegroups/new?api-version=2021-04-01', {}),
      400,
      'LocationRequired',
      /location/,
    );
    expectGateway(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, location: 'eastus' }),
      409,
      'InvalidResourceLocation',
      /'dps' already exists in location 'westus'/,
    );
  });

  it('fail: names and sizes', async () => {
    for (const name of ['-dps', 'ab', 'global', '123']) {
      expectProvider(await arm('PUT', `${DPS}/${name}${VERSION}`, dpsBody), 400, 400305, /Name 'global' not allowed/);
    }
    expectProvider(await arm('PUT', `${HUB}/h_b${HUB_VERSION}`, dpsBody), 400, 400004, /IotHub name 'h_b' is invalid/);
    expectProvider(
      await arm('PUT', `${DPS}/dps-f1${VERSION}`, { ...dpsBody, sku: { name: 'F1' } }),
      400,
      400059,
      /SKU 'F1'/,
    );
    expectProvider(
      await arm('PUT', `resourceGroups/rg2/providers/Microsoft.Devices/IotHubs/hub${HUB_VERSION}`, dpsBody),
      409,
      409004,
      /^IotHub name 'hub' not available\./,
    );
    expectProvider(
      await arm('PUT', `resourceGroups/rg2/providers/Microsoft.Devices/provisioningServices/dps${VERSION}`, dpsBody),
      409,
      409004,
      /name 'dps' not available/,
    );
    expectProvider(
      await arm('PUT', `${certificate('a b')}${VERSION}`.replace(' ', '%20'), { certificate: root.base64 }),
      400,
      400004,
      /name 'a b' is invalid/,
    );
    expectProvider(await arm('POST', `${DPS}/dps/keys/nokey/listkeys${VERSION}`), 404, 404002, /Key 'nokey' not found/);
    expectProvider(
      await arm('POST', `${HUB}/hub/IotHubKeys/nokey/listkeys${HUB_VERSION}`),
      404,
      404002,
      /Key 'nokey' not found/,
    );
  });

  it('fail: linked hubs', async () => {
    const put = (...iotHubs: unknown[]) => arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, properties: { iotHubs } });
    const good = emulator.hub('hub').connectionString('iothubowner');
    const link = (connectionString: string, extra: object = {}) => ({ connectionString, location: 'westus', ...extra });
    expectProvider(await put(link('nonsense')), 400, 400301, /expected HostName/);
    expectProvider(
      await put(link(good.replace('hub.azure', 'nohub.azure'))),
      400,
      400301,
      /IotHub 'nohub\..*' of the connection string does not exist/,
    );
    const wrongKey = await put(link(good.replace(/SharedAccessKey=.*/, 'SharedAccessKey=d3Jvbmc=')));
    expectProvider(wrongKey, 400, 400301, /refuses policy 'iothubowner'/);
    expect(JSON.stringify(wrongKey.body)).not.toContain('d3Jvbmc=');
    expectProvider(
      await put(link(good.replace(/SharedAccessKey=.*/, 'SharedAccessKey=****'))),
      400,
      400301,
      /is masked/,
    );
    expectProvider(await put(link(good), link(good)), 400, 400303, /^Cannot have duplicate iot hubs in description\./);
    expectProvider(await put(link(good, { allocationWeight: 0 })), 400, 400004, /allocationWeight/);
    expectProvider(await put({ connectionString: good }), 400, 400004, /location of linked hub/);
    expectProvider(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, properties: { iotHubs: 'x' } }),
      400,
      400004,
      /'iotHubs'/,
    );
    expect((await arm('GET', `${DPS}/dps${VERSION}`)).body).toMatchObject({ properties: { iotHubs: [] } });
  });

  it('fail: settings that the emulator would not act on are refused by name; writing back what was read is not', async () => {
    const refused = [
      [`${DPS}/dps${VERSION}`, { publicNetworkAccess: 'Disabled' }],
      [`${DPS}/dps${VERSION}`, { enableDataResidency: true }],
      [`${HUB}/hub${HUB_VERSION}`, { restrictOutboundNetworkAccess: true }],
      [`${DPS}/dps${VERSION}`, { disableLocalAuth: true }],
      [`${HUB}/hub${HUB_VERSION}`, { enableFileUploadNotifications: true }],
    ] as const;
    for (const [path, properties] of refused) {
      expectGateway(
        await arm('PUT', path, { ...dpsBody, properties }),
        501,
        'NotImplemented',
        new RegExp(`property '${Object.keys(properties)[0] ?? ''}'`),
      );
    }
    expectGateway(
      await arm('PUT', `${HUB}/hub${HUB_VERSION}`, {
        ...dpsBody,
        properties: { cloudToDevice: { maxDeliveryCount: 3 } },
      }),
      501,
      'NotImplemented',
      /property 'maxDeliveryCount' of a hub's cloudToDevice/,
    );
    const byIdentity = { hostName: 'hub.azure-devices.net', location: 'westus', authenticationType: 'SystemAssigned' };
    expectGateway(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, properties: { iotHubs: [byIdentity] } }),
      501,
      'NotImplemented',
      /'authenticationType'/,
    );
    expectGateway(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, identity: { type: 'SystemAssigned' } }),
      501,
      'NotImplemented',
      /'identity'/,
    );
    for (const path of [`${DPS}/dps${VERSION}`, `${HUB}/hub${HUB_VERSION}`]) {
      expect((await arm('PUT', path, (await arm('GET', path)).body)).status).toBe(201);
    }
    expectProvider(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, properties: { allocationPolicy: 'Random' } }),
      400,
      400004,
      /allocationPolicy/,
    );
    expectProvider(
      await arm('PUT', `${DPS}/dps${VERSION}`, {
        ...dpsBody,
        properties: { authorizationPolicies: [{ keyName: 'x', rights: 'All' }] },
      }),
      400,
      400004,
      /authorization policy/,
    );
  });

  it('fail: stale ETags, on resources and on certificates that exist', async () => {
    expectProvider(
      await arm('PUT', `${DPS}/dps${VERSION}`, { ...dpsBody, etag: 'AAAAAAAAAAE=' }),
      412,
      412001,
      /^Invalid ETag supplied\./,
    );
    expectProvider(
      await arm('PUT', `${HUB}/hub${HUB_VERSION}`, dpsBody, { 'If-Match': 'AAAAAAAAAAE=' }),
      412,
      412001,
      /Invalid ETag/,
    );
    await arm('PUT', `${certificate('held')}${VERSION}`, { certificate: root.base64 });
    expectProvider(
      await arm('PUT', `${certificate('held')}${VERSION}`, { certificate: root.base64 }),
      412,
      412001,
      /Invalid ETag/,
    );
    expectProvider(
      await arm('POST', `${certificate('held')}/generateVerificationCode${VERSION}`),
      412,
      412001,
      /Invalid ETag/,
    );
    expectProvider(
      await arm('POST', `${certificate('held')}/verify${VERSION}`, { certificate: root.base64 }),
      412,
      412001,
      /Invalid ETag/,
    );
    expectProvider(await arm('DELETE', `${certificate('held')}${VERSION}`), 412, 412001, /Invalid ETag/);
    expectProvider(
      await arm('GET', `${certificate('none')}${VERSION}`),
      404,
      404015,
      /^Certificate 'none' not found\./,
    );
    expectProvider(
      await arm('PUT', `${certificate('bad')}${VERSION}`, { certificate: 'AAAA' }),
      400,
      400004,
      /certificate is invalid/,
    );
    expectProvider(await arm('PUT', `${certificate('bad')}${VERSION}`, {}), 400, 400004, /'certificate'/);
  });

  it('fail: proofs that prove nothing', async () => {
    const other = await issueRoot('Root of another');
    const namesake = await issueRoot('Root');
    const path = certificate('unproved');
    const { body } = await arm('PUT', `${path}${VERSION}`, { certificate: root.base64 });
    const verify = async (proof: Issued, etag: string) =>
      arm('POST', `${path}/verify${VERSION}`, { certificate: proof.base64 }, { 'If-Match': etag });
    const uploaded = body as { etag: string };
    expectProvider(
      await verify(await issue({ commonName: 'any', issuer: root }), uploaded.etag),
      400,
      400053,
      /No verification code/,
    );
    const coded = await arm('POST', `${path}/generateVerificationCode${VERSION}`, undefined, {
      'If-Match': uploaded.etag,
    });
    const { etag, properties } = coded.body as { etag: string; properties: { verificationCode: string } };
    const commonName = properties.verificationCode;
    const foreign =
      /^Proof-Of-Possession failed\. Issuer certificate 'CN=Root' cannot be found in the certificate chain\./;
    expectProvider(await verify(await issue({ commonName, issuer: other }), etag), 400, 400053, foreign);
    expectProvider(await verify(await issue({ commonName, issuer: namesake }), etag), 400, 400053, foreign);
    expectProvider(await verify(root, etag), 400, 400053, /does not match the verification code/);
    expectProvider(
      await verify(await issue({ commonName, issuer: root, notBeforeDays: -3, notAfterDays: -1 }), etag),
      400,
      400053,
      /validity period/,
    );
    expect((await arm('GET', `${path}${VERSION}`)).body).toMatchObject({ etag, properties: { isVerified: false } });
    expect((await verify(await issue({ commonName, issuer: root }), etag)).body).toMatchObject({
      properties: { isVerified: true },
    });
    const coded2 = await arm('POST', `${path}/generateVerificationCode${VERSION}`, undefined, { 'If-Match': '*' });
    const second = coded2.body as { etag: string; properties: { verificationCode: string } };
    const early = await issue({ commonName: second.properties.verificationCode, issuer: root });
    const again = await arm('PUT', `${path}${VERSION}`, { certificate: root.base64 }, { 'If-Match': second.etag });
    expect(again.body).toMatchObject({ properties: { isVerified: false } });
    // A new upload takes proof and code of the one before with it.
    expectProvider(await verify(early, '*'), 400, 400053, /No verification code/);
  });

  it('fail: a resource that is deleted, and one that is on its way', async () => {
    await arm('PUT', `${DPS}/short${VERSION}`, dpsBody);
    await arm('DELETE', `${DPS}/short${VERSION}`);
    expectProvider(
      await arm('GET', `${DPS}/short${VERSION}`),
      404,
      404002,
      /^IotHub 'short' not found under ResourceGroup 'rg' and Subscription/,
    );
    const slow = await startAzureIot({ operationPolls: 5 });
    try {
      const slowArm = await createArmWire(slow);
      await slowArm('PUT', 'resourcegroups/rg?api-version=2021-04-01', { location: 'westus' });
      await slowArm('PUT', `${DPS}/slow${VERSION}`, dpsBody);
      expectProvider(
        await slowArm('PUT', `${DPS}/slow${VERSION}`, dpsBody),
        409,
        409002,
        /^slow is not currently in Active state\./,
      );
    } finally {
      await slow.close();
    }
  });

  it('every error of both catalogues was provoked above', () => {
    const codes = providerErrorNames.map((name) => new ProviderError(name, '').code);
    expect([...codes, ...gatewayErrorCodes].filter((code) => !seen.has(code))).toEqual([]);
  });
});
