import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, startAzureIot } from '../src/index.ts';
import { type Issued, issue, issueRoot } from './dps-certificates.ts';
import {
  collect,
  createLinkedServices,
  createManagementClients,
  type ManagementClients,
  ownerConnectionString,
} from './start-clients.ts';

const names = { group: 'contoso', hub: 'contoso-hub', dps: 'contoso-dps' };

describe("Resource Manager through Microsoft's unmodified clients", () => {
  let emulator: AzureIotEmulator;
  let clients: ManagementClients;
  let root: Issued;

  beforeAll(async () => {
    emulator = await startAzureIot();
    clients = createManagementClients(emulator);
    root = await issueRoot('Contoso Root');
    await createLinkedServices(clients, names);
  });
  afterAll(() => emulator.close());

  it('ok: a DPS shows its scope, hosts, and the linked hub with a masked key', async () => {
    const { properties, etag } = await clients.dps.iotDpsResource.get(names.dps, names.group);
    expect(etag).toMatch(/^[A-Za-z0-9+/]{11}=$/);
    expect(properties).toMatchObject({
      state: 'Active',
      provisioningState: 'Succeeded',
      allocationPolicy: 'Hashed',
      deviceProvisioningHostName: emulator.cloud.provisioningDeviceEndpoint,
      serviceOperationsHostName: `contoso-dps.${emulator.cloud.provisioningServiceSuffix}`,
    });
    expect(properties.idScope).toMatch(/^0ne[0-9A-F]{8}$/);
    const hubHost = `contoso-hub.${emulator.cloud.hubSuffix}`;
    expect(properties.iotHubs).toMatchObject([
      {
        name: hubHost,
        location: 'westeurope',
        connectionString: `HostName=${hubHost};SharedAccessKeyName=iothubowner;SharedAccessKey=****`,
      },
    ]);
  });

  it('ok: a DPS that is read and written back keeps the hub’s key and gets a new ETag', async () => {
    const before = await clients.dps.iotDpsResource.get(names.dps, names.group);
    const after = await clients.dps.iotDpsResource.beginCreateOrUpdateAndWait(names.group, names.dps, {
      ...before,
      tags: { line: 'a' },
      properties: {
        ...before.properties,
        iotHubs: before.properties.iotHubs?.map((hub) => ({ ...hub, allocationWeight: 7 })) ?? [],
      },
    });
    expect(after.properties.iotHubs).toMatchObject([
      { allocationWeight: 7, name: `contoso-hub.${emulator.cloud.hubSuffix}` },
    ]);
    expect(after.properties.idScope).toBe(before.properties.idScope);
    expect(after.etag).not.toBe(before.etag);
    expect(after.tags).toEqual({ line: 'a' });
  });

  it('ok: keys are listed, all and one by name', async () => {
    const keys = await collect(clients.dps.iotDpsResource.listKeys(names.dps, names.group));
    expect(keys).toMatchObject([
      { keyName: 'provisioningserviceowner', rights: 'ServiceConfig, DeviceConnect, EnrollmentWrite' },
    ]);
    const owner = await clients.dps.iotDpsResource.listKeysForKeyName(
      names.dps,
      'provisioningserviceowner',
      names.group,
    );
    expect(owner).toEqual(keys[0]);
    const hubKeys = await collect(clients.hubs.iotHubResource.listKeys(names.group, names.hub));
    expect(hubKeys.map(({ keyName, rights }) => [keyName, rights])).toEqual([
      ['iothubowner', 'RegistryWrite, ServiceConnect, DeviceConnect'],
      ['service', 'ServiceConnect'],
      ['device', 'DeviceConnect'],
      ['registryRead', 'RegistryRead'],
      ['registryReadWrite', 'RegistryWrite'],
    ]);
  });

  it('ok: names are free or taken, resources are listed by group and by subscription', async () => {
    const { dps, hubs } = clients;
    expect(await dps.iotDpsResource.checkProvisioningServiceNameAvailability({ name: 'unheard-of' })).toMatchObject({
      nameAvailable: true,
    });
    expect(await dps.iotDpsResource.checkProvisioningServiceNameAvailability({ name: 'CONTOSO-dps' })).toMatchObject({
      nameAvailable: false,
      reason: 'AlreadyExists',
    });
    expect(await hubs.iotHubResource.checkNameAvailability({ name: 'contoso-hub' })).toMatchObject({
      nameAvailable: false,
      message: "IotHub name 'contoso-hub' is not available",
    });
    for (const list of [dps.iotDpsResource.listByResourceGroup(names.group), dps.iotDpsResource.listBySubscription()]) {
      expect((await collect(list)).map(({ name }) => name)).toEqual([names.dps]);
    }
    for (const list of [
      hubs.iotHubResource.listByResourceGroup(names.group),
      hubs.iotHubResource.listBySubscription(),
    ]) {
      expect((await collect(list)).map(({ name }) => name)).toEqual([names.hub]);
    }
  });

  it('ok: a root is uploaded, proved and deleted, each step with the ETag of the one before', async () => {
    const { dpsCertificate } = clients.dps;
    const uploaded = await dpsCertificate.createOrUpdate(names.group, names.dps, 'root', {
      properties: { certificate: Buffer.from(root.pem) },
    });
    expect(uploaded.properties).toMatchObject({ subject: 'Contoso Root', isVerified: false });
    const coded = await dpsCertificate.generateVerificationCode('root', uploaded.etag ?? '', names.group, names.dps);
    const code = coded.properties?.verificationCode ?? '';
    expect(code).toMatch(/^[0-9A-F]{48}$/);
    expect(coded.etag).not.toBe(uploaded.etag);
    const proof = await issue({ commonName: code, issuer: root });
    const verified = await dpsCertificate.verifyCertificate('root', coded.etag ?? '', names.group, names.dps, {
      certificate: proof.pem,
    });
    expect(verified.properties).toMatchObject({ isVerified: true });
    expect(verified.etag).not.toBe(coded.etag);
    expect(Buffer.from(verified.etag ?? '', 'base64').toString()).toMatch(
      /^"[0-9a-f]{8}-0000-0700-0000-[0-9a-f]{8}0000"$/,
    );
    await dpsCertificate.delete(names.group, verified.etag ?? '', names.dps, 'root');
    await expect(dpsCertificate.get('root', names.group, names.dps)).rejects.toMatchObject({
      statusCode: 404,
      code: 404015,
    });
  });

  it('fail: every certificate step with a stale ETag is refused with 412001 and changes nothing', async () => {
    const { dpsCertificate } = clients.dps;
    const upload = () =>
      dpsCertificate.createOrUpdate(names.group, names.dps, 'stale', {
        properties: { certificate: Buffer.from(root.base64, 'base64') },
      });
    const { etag: first = '' } = await upload();
    const { etag: current, properties } = await dpsCertificate.generateVerificationCode(
      'stale',
      first,
      names.group,
      names.dps,
    );
    const proof = await issue({ commonName: properties?.verificationCode ?? '', issuer: root });
    const stale = { statusCode: 412, code: 412001 };
    await expect(upload()).rejects.toMatchObject(stale);
    await expect(dpsCertificate.generateVerificationCode('stale', first, names.group, names.dps)).rejects.toMatchObject(
      stale,
    );
    await expect(
      dpsCertificate.verifyCertificate('stale', first, names.group, names.dps, { certificate: proof.pem }),
    ).rejects.toMatchObject(stale);
    await expect(dpsCertificate.delete(names.group, first, names.dps, 'stale')).rejects.toMatchObject(stale);
    expect(await dpsCertificate.get('stale', names.group, names.dps)).toMatchObject({
      etag: current,
      properties: { isVerified: false },
    });
  });

  it('ok: a hub takes a root too, and shows what was uploaded', async () => {
    const { certificates } = clients.hubs;
    const { etag = '' } = await certificates.createOrUpdate(names.group, names.hub, 'root', {
      properties: { certificate: root.base64 },
    });
    const coded = await certificates.generateVerificationCode(names.group, names.hub, 'root', etag);
    const proof = await issue({ commonName: coded.properties?.verificationCode ?? '', issuer: root });
    const verified = await certificates.verify(names.group, names.hub, 'root', coded.etag ?? '', {
      certificate: proof.base64,
    });
    expect(verified.properties).toMatchObject({ isVerified: true, certificate: root.base64 });
    const { value } = await certificates.listByIotHub(names.group, names.hub);
    expect(value?.map(({ name }) => name)).toEqual(['root']);
  });

  it('ok: deleting the group deletes what is in it, and its connections', async () => {
    await clients.resources.resourceGroups.createOrUpdate('short-lived', { location: 'West US', tags: { a: 'b' } });
    await clients.hubs.iotHubResource.beginCreateOrUpdateAndWait('short-lived', 'short-hub', {
      location: 'West US',
      sku: { name: 'F1', capacity: 1 },
    });
    expect(await clients.resources.resourceGroups.checkExistence('short-lived')).toMatchObject({ body: true });
    await clients.resources.resourceGroups.beginDeleteAndWait('short-lived');
    expect(await clients.resources.resourceGroups.checkExistence('short-lived')).toMatchObject({ body: false });
    expect(() => emulator.hub('short-hub')).toThrow(expect.objectContaining({ code: 'ERR_EMULATOR_HUB_MISSING' }));
  });

  it('ok: hub and DPS are deleted, after which the service says what it was asked for is gone', async () => {
    const { dps, hubs, resources } = clients;
    await resources.resourceGroups.createOrUpdate('gone', { location: 'eastus' });
    await hubs.iotHubResource.beginCreateOrUpdateAndWait('gone', 'gone-hub', {
      location: 'eastus',
      sku: { name: 'S1', capacity: 1 },
    });
    await dps.iotDpsResource.beginCreateOrUpdateAndWait('gone', 'gone-dps', {
      location: 'eastus',
      sku: { name: 'S1', capacity: 1 },
      properties: {
        iotHubs: [
          {
            location: 'eastus',
            connectionString: await ownerConnectionString(hubs, { group: 'gone', hub: 'gone-hub' }),
          },
        ],
      },
    });
    await dps.iotDpsResource.beginDeleteAndWait('gone-dps', 'gone');
    await hubs.iotHubResource.beginDeleteAndWait('gone', 'gone-hub');
    await expect(dps.iotDpsResource.get('gone-dps', 'gone')).rejects.toMatchObject({ statusCode: 404, code: 404002 });
    await expect(hubs.iotHubResource.get('gone', 'gone-hub')).rejects.toMatchObject({ statusCode: 404 });
  });
});
