import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import iotCommon from 'azure-iot-common';
import iotDevice from 'azure-iot-device';
import deviceMqtt from 'azure-iot-device-mqtt';
import { MqttBase } from 'azure-iot-mqtt-base';
import iotProvisioning from 'azure-iot-provisioning-device';
import provisioningMqtt from 'azure-iot-provisioning-device-mqtt';
import { X509Security } from 'azure-iot-security-x509';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { Packet } from 'mqtt-packet';
import type { DeviceIdentity } from '../src/index.ts';
import { lookupWithLoopbackNames } from '../src/network/loopback-names.ts';
import { hubName, issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';
import { makeTlsSite } from './tls-site.ts';
import { recordWire, type WireRecorder } from './wire-recorder.ts';

// What a device says to Azure is proved against Microsoft's own clients: both do the same work through a relay that keeps it.

const hubHost = `${hubName}.azure-devices.localhost`;
const site = makeTlsSite(['localhost', hubHost]);
const relays: WireRecorder[] = [];
let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterEach(() => {
  for (const relay of relays.splice(0)) relay.close();
});

afterAll(() => contoso.close());

const record = async (identity: DeviceIdentity): Promise<WireRecorder> => {
  const { hostname: name, port } = new URL(`mqtts://${contoso.hub.hostName}`);
  const { trustedRootsPem } = contoso.azure.cloud;
  const relay = await recordWire({ target: { name, port: Number(port), trustedRootsPem }, site, identity });
  relays.push(relay);
  return relay;
};

const microsoftBase = (): MqttBase => {
  const connect = (uri: string, options: IClientOptions): MqttClient =>
    mqtt.connect(uri, { ...options, ca: site.rootPem, lookup: lookupWithLoopbackNames } as IClientOptions);
  return new MqttBase({ connect });
};

/** What is said, without what is each one's own: packet and request identifiers, message IDs, times, the client's name. */
const said = (packets: readonly Packet[], registrationId: string): unknown[] =>
  packets.flatMap((packet): unknown[] => {
    const plain = (text: string | undefined): string | undefined =>
      text
        ?.replaceAll(registrationId, 'DEVICE')
        .replace(/&(ClientVersion|DeviceClientType)=[^&]*/, '')
        .replace(/:\d+(?=\/)/, '')
        .replace(/\$rid=[^&]*/, '$rid=RID')
        .replace(/operationId=[^&]*/, 'operationId=OPERATION')
        .replace(/(%24\.mid|\$\.mid)=[^&]*/, '$.mid=ID')
        .replace(/%24/g, '$');
    switch (packet.cmd) {
      case 'connect': {
        const { protocolId, protocolVersion, clean, clientId, username } = packet;
        return [
          { connect: { protocolId, protocolVersion, clean, clientId: plain(clientId), username: plain(username) } },
        ];
      }
      case 'subscribe':
        return packet.subscriptions.map(({ topic, qos }) => ({ subscribe: plain(topic), qos }));
      case 'publish': {
        const payload = packet.payload.toString().replaceAll(registrationId, 'DEVICE').trim();
        return [{ publish: plain(packet.topic), qos: packet.qos, retain: packet.retain, payload }];
      }
      default:
        return [];
    }
  });

describe('what the agent says is what Microsoft’s client says', () => {
  it('to DPS, to register', async () => {
    const [ours, theirs] = await Promise.all(['wire-ours', 'wire-theirs'].map((id) => issueIdentity(contoso, id)));
    const [ourRelay, theirRelay] = [await record(ours!), await record(theirs!)];

    const { agent, next } = watchedAgent(contoso, ours!, {
      connectTo: { idScope: contoso.idScope, endpoint: `localhost:${ourRelay.port}` },
      trustedRootsPem: contoso.azure.cloud.trustedRootsPem + site.rootPem,
    });
    const starting = agent.start();
    await next('provisioned');
    await starting;
    await agent.stop(0);

    const client = iotProvisioning.ProvisioningDeviceClient.create(
      `localhost:${theirRelay.port}`,
      contoso.idScope,
      new provisioningMqtt.Mqtt(microsoftBase() as never),
      new X509Security(theirs!.registrationId, { cert: theirs!.chainPem, key: theirs!.privateKeyPem }),
    );
    await client.register();

    expect(said(ourRelay.sent, 'wire-ours')).toEqual(said(theirRelay.sent, 'wire-theirs'));
  });

  it('to the hub: connection, subscriptions, telemetry, twin, method answer', async () => {
    const register = async (id: string): Promise<DeviceIdentity> => {
      const identity = await issueIdentity(contoso, id);
      const { agent } = watchedAgent(contoso, identity);
      await agent.start();
      await agent.stop(0);
      return identity;
    };
    const [ours, theirs] = [await register('hub-ours'), await register('hub-theirs')];
    const [ourRelay, theirRelay] = [await record(ours), await record(theirs)];
    const invoke = (deviceId: string): Promise<unknown> =>
      contoso.hub.invokeMethod(deviceId, {
        methodName: 'ping',
        payload: null,
        responseTimeoutSeconds: 10,
        connectTimeoutSeconds: 10,
      });

    const { agent, next } = watchedAgent(contoso, ours, {
      connectTo: { hostName: `${hubHost}:${ourRelay.port}`, deviceId: 'hub-ours' },
      trustedRootsPem: site.rootPem,
      methods: { ping: () => ({ status: 200, payload: { pong: true } }) },
    });
    await agent.start();
    await next('subscribed');
    await agent.send({ body: { temperature: 21 }, properties: { 'alert level': 'high&low=ä' } });
    agent.report({ firmware: '1.0' });
    await agent.flush();
    await next('reported');
    await invoke('hub-ours');
    await agent.stop();

    const provider = iotDevice.X509AuthenticationProvider.fromX509Options(
      'hub-theirs',
      `${hubHost}:${theirRelay.port}`,
      {
        cert: theirs.chainPem,
        key: theirs.privateKeyPem,
      },
    );
    const client = new iotDevice.Client(new deviceMqtt.Mqtt(provider, microsoftBase()));
    await client.open();
    client.on('message', (message: iotCommon.Message) => void client.complete(message));
    client.onDeviceMethod('ping', (_request, response) => void response.send(200, { pong: true }));
    const twin = await client.getTwin();
    twin.on('properties.desired', () => undefined);
    const message = new iotCommon.Message(JSON.stringify({ temperature: 21 }));
    message.messageId = 'one';
    Object.assign(message, { contentType: 'application/json', contentEncoding: 'utf-8' });
    message.properties.add('alert level', 'high&low=ä');
    await client.sendEvent(message);
    const reported = twin.properties.reported as { update: (patch: object, done: (error?: Error) => void) => void };
    await promisify(reported.update.bind(reported))({ firmware: '1.0' });
    await invoke('hub-theirs');
    await client.close();

    // In which order is each one's own; the agent adds when the device measured.
    const sorted = (packets: readonly Packet[], id: string): string[] =>
      said(packets, id)
        .map((packet) => JSON.stringify(packet).replace(/&iothub-creation-time-utc=[^"]*/, ''))
        .sort();
    expect(sorted(ourRelay.sent, 'hub-ours')).toEqual(sorted(theirRelay.sent, 'hub-theirs'));
  });
});
