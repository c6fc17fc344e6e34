// A back office and a device over WebSocket, with the connection string that Resource Manager's answers make up.
import device from 'azure-iot-device';
import deviceTransports from 'azure-iot-device-mqtt';
import hubSdk from 'azure-iothub';

const connectionString = process.env.CONNECTION_STRING;
const registry = hubSdk.Registry.fromConnectionString(connectionString);
const { responseBody: created } = await registry.create({ deviceId: 'by-exec' });
const [hostName] = /^HostName=[^;]+/.exec(connectionString);
const client = device.Client.fromConnectionString(
  `${hostName};DeviceId=by-exec;SharedAccessKey=${created.authentication.symmetricKey.primaryKey}`,
  deviceTransports.Mqtt,
);
await client.open();
await client.sendEvent(new device.Message('{}'));
await client.close();
const { responseBody: received } = await registry.get('by-exec');
process.stdout.write(JSON.stringify({ created: created.deviceId, received: received.deviceId }));
