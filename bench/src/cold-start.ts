import { mkdtemp, rm } from 'node:fs/promises';
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { DeviceAgent, loadIdentity } from '@contoso/device-agent';
import iotCommon from 'azure-iot-common';
import iotDevice from 'azure-iot-device';
import deviceMqtt from 'azure-iot-device-mqtt';
import { MqttBase } from 'azure-iot-mqtt-base';
import iotProvisioning from 'azure-iot-provisioning-device';
import provisioningMqtt from 'azure-iot-provisioning-device-mqtt';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { X509Security } from 'azure-iot-security-x509';
import { startAzureServer, type AzureReady, type Credential } from './azure-server.ts';
import { bareConnect, type BareConnection } from './bare-sockets.ts';
import type { Table } from './report.ts';

const warmUps = 5;
const rounds = 40;

type Way = (azure: AzureReady, credential: Credential, folder: string) => Promise<() => Promise<void> | void>;

/** From nothing to the hub's acknowledgement of the first telemetry message, over DPS: a device that has just been switched on. */
export async function benchColdStart(progress: (text: string) => void): Promise<Table> {
  const ways: Readonly<Record<string, Way>> = {
    'bare sockets': bySockets,
    '@contoso/device-agent': byAgent,
    "Microsoft's SDK": bySdk,
  };
  const names = Object.keys(ways);
  const azure = await startAzureServer((warmUps + rounds) * names.length);
  const folder = await mkdtemp(join(tmpdir(), 'contoso-bench-'));
  const times = new Map(names.map((name) => [name, [] as number[]]));
  try {
    progress(`cold start: ${rounds} rounds of ${names.length} ways, taking turns`);
    const credentials = [...azure.credentials];
    for (let round = 0; round < warmUps + rounds; round += 1) {
      for (const [name, way] of Object.entries(ways)) {
        const credential = credentials.pop();
        if (!credential) throw new Error('too few devices');
        const started = performance.now();
        const close = await way(azure, credential, folder);
        const took = performance.now() - started;
        if (round >= warmUps) times.get(name)?.push(took);
        await close();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    await azure.stop();
  }
  return {
    title: 'Cold start to the first acknowledged telemetry (DPS registration, hub connection, one message)',
    rows: names.map((way) => ({ way, milliseconds: times.get(way) ?? [] })),
    ratios: {
      coldVsSockets: ['@contoso/device-agent', 'bare sockets'],
      coldVsSdk: ['@contoso/device-agent', "Microsoft's SDK"],
    },
  };
}

const byAgent: Way = async (azure, { chainPem, privateKeyPem }, folder) => {
  const agent = new DeviceAgent({
    identity: await loadIdentity({ chainPem, privateKeyPem }),
    connectTo: { idScope: azure.idScope, endpoint: azure.endpoint },
    stateFolder: folder,
    trustedRootsPem: azure.trustedRootsPem,
  });
  const started = agent.start();
  await agent.send({ body: { temperature: 21 } });
  await started;
  await agent.flush();
  return async () => {
    await agent.stop();
  };
};

/** Microsoft's classes put together as their samples do it, and told of the private root and of loopback names, nothing else. */
const bySdk: Way = async (azure, { registrationId, chainPem, privateKeyPem }) => {
  const credential = { cert: chainPem, key: privateKeyPem };
  const connect = (uri: string, options: IClientOptions): MqttClient =>
    mqtt.connect(uri, { ...options, ca: azure.trustedRootsPem, lookup: lookupLoopback } as IClientOptions);
  const base = (): MqttBase => new MqttBase({ connect });
  const client = iotProvisioning.ProvisioningDeviceClient.create(
    azure.endpoint,
    azure.idScope,
    new provisioningMqtt.Mqtt(base() as never),
    new X509Security(registrationId, credential),
  );
  const { assignedHub, deviceId } = (await client.register()) as { assignedHub: string; deviceId: string };
  const provider = iotDevice.X509AuthenticationProvider.fromX509Options(deviceId, assignedHub, credential);
  const hub = new iotDevice.Client(new deviceMqtt.Mqtt(provider, base()));
  await hub.open();
  await hub.sendEvent(new iotCommon.Message(JSON.stringify({ temperature: 21 })));
  return async () => {
    await hub.close();
  };
};

const lookupLoopback: LookupFunction = (_name, options, callback) => lookup('localhost', options, callback);

const bySockets: Way = async (azure, { registrationId, chainPem, privateKeyPem }) => {
  const secureContext = createSecureContext({ cert: chainPem, key: privateKeyPem, ca: azure.trustedRootsPem });
  const username = `${azure.idScope}/registrations/${registrationId}/api-version=2019-03-31`;
  const dps = await bareConnect({
    host: azure.endpoint,
    clientId: registrationId,
    username,
    clean: true,
    secureContext,
  });
  const { assignedHub, deviceId } = await register(dps, registrationId);
  dps.close();
  const hub = await bareConnect({
    host: assignedHub,
    clientId: deviceId,
    username: `${assignedHub}/${deviceId}/?api-version=2021-04-12`,
    clean: false,
    secureContext,
  });
  await hub.publish(`devices/${deviceId}/messages/events/`, JSON.stringify({ temperature: 21 }));
  return () => hub.close();
};

interface Answer {
  readonly operationId: string;
  readonly status: string;
  readonly registrationState?: { readonly assignedHub: string; readonly deviceId: string };
}

async function register(
  dps: BareConnection,
  registrationId: string,
): Promise<{ assignedHub: string; deviceId: string }> {
  await dps.subscribe('$dps/registrations/res/#');
  await dps.publish('$dps/registrations/PUT/iotdps-register/?$rid=1', JSON.stringify({ registrationId }));
  for (let rid = 2; ; rid += 1) {
    const { topic, payload } = await dps.received();
    const { operationId, status, registrationState } = JSON.parse(payload) as Answer;
    if (status === 'assigned' && registrationState) return registrationState;
    if (status !== 'assigning') throw new Error(`DPS answered ${payload}`);
    await delay(Number(/retry-after=(\d+)/.exec(topic)?.[1] ?? 0) * 1000);
    await dps.publish(`$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${rid}&operationId=${operationId}`, ' ');
  }
}
