// A program as Microsoft's documents show it: Azure's own host names, no option that names an endpoint, a root or a port.
import { IotDpsClient } from '@azure/arm-deviceprovisioningservices';
import { IotHubClient } from '@azure/arm-iothub';
import { ResourceManagementClient } from '@azure/arm-resources';
import { DefaultAzureCredential } from '@azure/identity';
import device from 'azure-iot-device';
import deviceTransports from 'azure-iot-device-mqtt';
import hubSdk from 'azure-iothub';
import provisioning from 'azure-iot-provisioning-device';
import { Http } from 'azure-iot-provisioning-device-http';
import mqttTransports from 'azure-iot-provisioning-device-mqtt';
import provisioningService from 'azure-iot-provisioning-service';
import symmetricKey from 'azure-iot-security-symmetric-key';

const group = 'contoso';
const sku = { name: 'S1', capacity: 1 };
const location = 'westeurope';
const credential = new DefaultAzureCredential();
const subscription = process.env.AZURE_SUBSCRIPTION_ID;
const groups = new ResourceManagementClient(credential, subscription);
const hubs = new IotHubClient(credential, subscription);
const services = new IotDpsClient(credential, subscription);

await groups.resourceGroups.createOrUpdate(group, { location });
await hubs.iotHubResource.beginCreateOrUpdateAndWait(group, 'contoso-hub', { location, sku });
const { primaryKey } = await hubs.iotHubResource.getKeysForKeyName(group, 'contoso-hub', 'iothubowner');
const hubConnection = `HostName=contoso-hub.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=${primaryKey}`;
const dps = await services.iotDpsResource.beginCreateOrUpdateAndWait(group, 'contoso-dps', {
  location,
  sku,
  properties: { iotHubs: [{ connectionString: hubConnection, location }] },
});
const owner = await services.iotDpsResource.listKeysForKeyName('contoso-dps', 'provisioningserviceowner', group);
const enrollments = provisioningService.ProvisioningServiceClient.fromConnectionString(
  `HostName=contoso-dps.azure-devices-provisioning.net;SharedAccessKeyName=${owner.keyName};SharedAccessKey=${owner.primaryKey}`,
);

async function register(registrationId, transport) {
  const { responseBody } = await enrollments.createOrUpdateIndividualEnrollment({
    registrationId,
    attestation: { type: 'symmetricKey' },
  });
  const keys = await enrollments.getIndividualEnrollmentAttestationMechanism(responseBody.registrationId);
  const key = keys.responseBody.symmetricKey.primaryKey;
  const client = provisioning.ProvisioningDeviceClient.create(
    'global.azure-devices-provisioning.net',
    dps.properties.idScope,
    transport,
    new symmetricKey.SymmetricKeySecurityClient(registrationId, key),
  );
  const { assignedHub, deviceId } = await client.register();
  return `HostName=${assignedHub};DeviceId=${deviceId};SharedAccessKey=${key}`;
}

async function send(connectionString, Transport) {
  const client = device.Client.fromConnectionString(connectionString, Transport);
  await client.open();
  await client.sendEvent(new device.Message(JSON.stringify({ temperature: 21 })));
  await client.close();
}

await send(await register('over-mqtt', new mqttTransports.Mqtt()), deviceTransports.Mqtt);
await send(await register('over-websocket', new mqttTransports.MqttWs()), deviceTransports.MqttWs);
await send(await register('over-http', new Http()), deviceTransports.Mqtt);

const registry = hubSdk.Registry.fromConnectionString(hubConnection);
const { responseBody: devices } = await registry.list();
const statistics = await registry.getRegistryStatistics();
process.stdout.write(
  JSON.stringify({
    devices: devices.map(({ deviceId }) => deviceId).sort(),
    total: statistics.responseBody.totalDeviceCount,
    hostName: (await hubs.iotHubResource.get(group, 'contoso-hub')).properties.hostName,
    arguments: process.argv.slice(2),
  }),
);
process.exitCode = 7;
