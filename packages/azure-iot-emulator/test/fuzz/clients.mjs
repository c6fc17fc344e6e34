// Microsoft's unmodified clients, doing what devices and back ends do; the recorder listens on the emulator's side.
import { text } from 'node:stream/consumers';
import device from 'azure-iot-device';
import deviceTransports from 'azure-iot-device-mqtt';
import iothub from 'azure-iothub';
import provisioning from 'azure-iot-provisioning-device';
import provisioningTransports from 'azure-iot-provisioning-device-mqtt';
import provisioningService from 'azure-iot-provisioning-service';
import security from 'azure-iot-security-x509';

const input = JSON.parse(await text(process.stdin));
const { cert, key } = input.device;

async function register(transport) {
  const host = transport === 'Mqtt' ? input.deviceEndpoint : input.deviceEndpoint.replace(/:\d+$/, '');
  await provisioning.ProvisioningDeviceClient.create(
    host,
    input.idScope,
    new provisioningTransports[transport](),
    new security.X509Security(input.deviceId, { cert, key }),
  ).register();
}

async function beDevice(transport) {
  const client = device.Client.fromConnectionString(
    `HostName=${input.hubHost};DeviceId=${input.deviceId};x509=true`,
    deviceTransports[transport],
  );
  await client.setOptions({ cert, key });
  await client.open();
  client.on('message', (message) => void client.complete(message));
  client.onDeviceMethod('reboot', (_request, response) => void response.send(200, { done: true }));
  const message = new device.Message(JSON.stringify({ temperature: 21.5 }));
  message.contentType = 'application/json';
  message.messageId = 'message 1';
  message.properties.add('temperatureAlert', 'false');
  await client.sendEvent(message);
  const twin = await client.getTwin();
  await new Promise((resolve, reject) =>
    twin.properties.reported.update({ firmware: '1.0' }, (error) => (error ? reject(error) : resolve())),
  );
  const invoked = iothub.Client.fromConnectionString(input.hubConnectionString);
  await invoked.invokeDeviceMethod(input.deviceId, { methodName: 'reboot', payload: { delay: 1 } });
  await client.close();
}

async function beBackEnd() {
  const registry = iothub.Registry.fromConnectionString(input.hubConnectionString);
  await registry.create({ deviceId: 'made-by-back-end' });
  const { responseBody: twin } = await registry.getTwin('made-by-back-end');
  await registry.updateTwin(
    'made-by-back-end',
    { tags: { line: 'a' }, properties: { desired: { on: true } } },
    twin.etag,
  );
  await registry.createQuery("SELECT * FROM devices WHERE tags.line = 'a'").next();
  await registry.list();
  await registry.delete('made-by-back-end');
}

async function beOperator() {
  const client = provisioningService.ProvisioningServiceClient.fromConnectionString(input.dpsConnectionString);
  const { responseBody: enrollment } = await client.getIndividualEnrollment(input.deviceId);
  await client.createOrUpdateIndividualEnrollment(enrollment);
  await client.createIndividualEnrollmentQuery({ query: 'SELECT * FROM enrollments' }, 10).next();
  await client.getDeviceRegistrationState(input.deviceId);
}

await register('Mqtt');
await register('MqttWs');
await beDevice('Mqtt');
await beDevice('MqttWs');
await beBackEnd();
await beOperator();
process.exit(0);
