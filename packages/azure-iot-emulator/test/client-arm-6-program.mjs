// @azure/arm-deviceprovisioningservices 6 as its documents show it, with no option; it sends api-version 2026-08-31.
import { IotDpsClient } from '@azure/arm-deviceprovisioningservices-6';
import { IotHubClient } from '@azure/arm-iothub';
import { ResourceManagementClient } from '@azure/arm-resources';
import { EnvironmentCredential } from '@azure/identity';

const group = 'contoso';
const [name, location] = ['contoso-dps', 'westeurope'];
const sku = { name: 'S1', capacity: 1 };
const credential = new EnvironmentCredential();
const subscription = process.env.AZURE_SUBSCRIPTION_ID;
const groups = new ResourceManagementClient(credential, subscription);
const hubs = new IotHubClient(credential, subscription);
const { iotDpsResource, dpsCertificate } = new IotDpsClient(credential, subscription);
const collect = async (pages) => {
  const items = [];
  for await (const item of pages) items.push(item.name);
  return items;
};

await groups.resourceGroups.createOrUpdate(group, { location });
const hub = await hubs.iotHubResource.beginCreateOrUpdateAndWait(group, 'contoso-hub', { location, sku });
const { primaryKey } = await hubs.iotHubResource.getKeysForKeyName(group, 'contoso-hub', 'iothubowner');
const connectionString = `HostName=${hub.properties.hostName};SharedAccessKeyName=iothubowner;SharedAccessKey=${primaryKey}`;
const before = await iotDpsResource.checkProvisioningServiceNameAvailability({ name });
const created = await iotDpsResource.createOrUpdate(group, name, {
  location,
  sku,
  properties: { iotHubs: [{ connectionString, location }] },
});
const tagged = await iotDpsResource.update(group, name, { tags: { by: 'version 6' } });
const keys = await iotDpsResource.listKeysForKeyName(name, 'provisioningserviceowner', group);
const root = Buffer.from(process.env.ROOT_PEM, 'utf8');
const uploaded = await dpsCertificate.createOrUpdate(group, name, 'root', { properties: { certificate: root } });
const coded = await dpsCertificate.generateVerificationCode('root', uploaded.etag, group, name);
let refused;
try {
  await dpsCertificate.generateVerificationCode('root', uploaded.etag, group, name);
} catch (error) {
  refused = error.statusCode;
}
const certificates = (await dpsCertificate.list(group, name)).value.map((certificate) => certificate.name);
await dpsCertificate.delete(group, name, 'root', coded.etag);
const fetched = await iotDpsResource.get(group, name);
const allKeys = [];
for await (const key of iotDpsResource.listKeys(name, group)) allKeys.push(key.keyName);
const skus = await collect(iotDpsResource.listValidSkus(name, group));
const names = await collect(iotDpsResource.listByResourceGroup(group));
await iotDpsResource.delete(group, name);
process.stdout.write(
  JSON.stringify({
    isFree: before.nameAvailable,
    state: created.properties.state,
    iotHubs: created.properties.iotHubs.map((linked) => linked.name),
    hosts: [created.properties.serviceOperationsHostName, created.properties.deviceProvisioningHostName],
    tags: tagged.tags,
    rights: keys.rights,
    code: coded.properties.verificationCode.length,
    refused,
    certificates,
    names,
    fetched: fetched.id === created.id,
    allKeys,
    skus,
    left: await collect(iotDpsResource.listBySubscription()),
  }),
);
