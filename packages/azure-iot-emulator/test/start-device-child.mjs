// A device as Microsoft's samples write it: registers at DPS, connects to the hub it is given, sends one message.
import { text } from 'node:stream/consumers';
import device from 'azure-iot-device';
import deviceTransports from 'azure-iot-device-mqtt';
import provisioning from 'azure-iot-provisioning-device';
import provisioningTransports from 'azure-iot-provisioning-device-mqtt';
import security from 'azure-iot-security-x509';

const { host, idScope, registrationId, cert, key, telemetry } = JSON.parse(await text(process.stdin));

const registered = await provisioning.ProvisioningDeviceClient.create(
  host,
  idScope,
  new provisioningTransports.Mqtt(),
  new security.X509Security(registrationId, { cert, key }),
).register();

const client = device.Client.fromConnectionString(
  `HostName=${registered.assignedHub};DeviceId=${registered.deviceId};x509=true`,
  deviceTransports.Mqtt,
);
await client.setOptions({ cert, key });
await client.open();
const message = new device.Message(JSON.stringify(telemetry));
message.contentType = 'application/json';
message.contentEncoding = 'utf-8';
message.properties.add('temperatureAlert', String(telemetry.temperature > 30));
await client.sendEvent(message);
const twin = await client.getTwin();
await client.close();
process.stdout.write(JSON.stringify({ registered, desired: twin.properties.desired }));
