import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import iotCommon from 'azure-iot-common';
import iotDevice from 'azure-iot-device';
import deviceMqtt from 'azure-iot-device-mqtt';
import { MqttBase } from 'azure-iot-mqtt-base';
import iotProvisioning from 'azure-iot-provisioning-device';
import provisioningMqtt from 'azure-iot-provisioning-device-mqtt';
import { X509Security } from 'azure-iot-security-x509';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { firstBody, type Client, type Device, type Way } from './agent-way.ts';

/** Microsoft's classes put together as their samples do it, and told of the private root and of loopback names, nothing else. */
export const bySdk: Way = {
  name: "Microsoft's SDK",
  coldStart: async (device) => {
    const { endpoint, idScope, registrationId } = device;
    const security = new X509Security(registrationId, credentialOf(device));
    const transport = new provisioningMqtt.Mqtt(baseOf(device) as never);
    const client = iotProvisioning.ProvisioningDeviceClient.create(endpoint, idScope, transport, security);
    const { assignedHub } = (await client.register()) as { assignedHub: string };
    return connect(device, assignedHub);
  },
  warmStart: (device, _stateFolder, hubName) => connect(device, hubName),
};

async function connect(device: Device, hubName: string): Promise<Client> {
  const credential = credentialOf(device);
  const provider = iotDevice.X509AuthenticationProvider.fromX509Options(device.registrationId, hubName, credential);
  const client = new iotDevice.Client(new deviceMqtt.Mqtt(provider, baseOf(device)));
  const send = async (body: object): Promise<void> => {
    const message = new iotCommon.Message(JSON.stringify(body));
    message.messageId = crypto.randomUUID();
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    await client.sendEvent(message);
  };
  await client.open();
  await send(firstBody);
  return {
    hubName,
    send,
    acknowledged: () => Promise.resolve(),
    listen: async () => {
      const twin = await client.getTwin();
      twin.on('properties.desired', () => undefined);
      client.onDeviceMethod('getReport', (_request, response) => void response.send(200));
      client.on('message', (message: iotCommon.Message) => void client.complete(message));
    },
    close: async () => {
      await client.close();
    },
  };
}

function credentialOf({ chainPem, privateKeyPem }: Device): { cert: string; key: string } {
  return { cert: chainPem, key: privateKeyPem };
}

function baseOf({ trustedRootsPem }: Device): MqttBase {
  return new MqttBase({
    connect: (uri: string, options: IClientOptions): MqttClient =>
      mqtt.connect(uri, { ...options, ca: trustedRootsPem, lookup: lookupLoopback } as IClientOptions),
  });
}

const lookupLoopback: LookupFunction = (_name, options, callback) => lookup('localhost', options, callback);
