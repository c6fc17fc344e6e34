import { type AzureIotEmulator, type Seed, startAzureIot, type StartAzureIotOptions } from '../src/index.ts';
import { signToken } from './hub-token.ts';
import { RawClient } from './mqtt-raw-client.ts';

/** A hub `hub-1` with devices `d1` and `d2`, and a DPS `dps-1` that is linked to it. */
export const seed: Seed = {
  hubs: [
    { name: 'hub-1', devices: [{ deviceId: 'd1', tags: { floor: 3 }, desired: { target: 20 } }, { deviceId: 'd2' }] },
  ],
  provisioningServices: [
    {
      name: 'dps-1',
      linkedHubs: ['hub-1'],
      enrollments: [{ registrationId: 'd9', attestation: { type: 'symmetricKey' } }],
    },
  ],
};

/** An emulator with {@link seed}. */
export function startSeeded(options: StartAzureIotOptions = {}): Promise<AzureIotEmulator> {
  return startAzureIot({ seed, ...options });
}

export interface DeviceOptions {
  readonly hub?: string;
  readonly clean?: boolean;
  /** Seconds since 1970. */
  readonly expiry?: number;
  readonly keepalive?: number;
}

/** A TLS connection to a hub that says nothing yet. */
export function dialHub(emulator: AzureIotEmulator, hub = 'hub-1'): Promise<RawClient> {
  return RawClient.overTls({
    port: emulator.mqttPort,
    ca: emulator.cloud.trustedRootsPem,
    servername: `${hub}.azure-devices.localhost`,
  });
}

/** CONNECT of a device with a token of its own key. */
export function connectPacket(
  emulator: AzureIotEmulator,
  deviceId: string,
  { hub: name = 'hub-1', clean = false, expiry, keepalive = 60 }: DeviceOptions = {},
): Parameters<RawClient['connect']>[0] {
  const hub = emulator.hub(name);
  const key = hub.registry.require(deviceId).identity.authentication.symmetricKey.primaryKey ?? '';
  const host = hub.hostName.replace(/:\d+$/, '');
  const nowSeconds = Math.floor(emulator.clock.nowMs / 1000);
  const password = signToken({ resource: `${host}/devices/${deviceId}`, key, expiry: expiry ?? nowSeconds + 3600 });
  return {
    clientId: deviceId,
    username: `${hub.hostName}/${deviceId}/?api-version=2021-04-12`,
    password: Buffer.from(password),
    clean,
    keepalive,
  };
}

/** A device that is connected. */
export async function connectDevice(
  emulator: AzureIotEmulator,
  deviceId: string,
  options: DeviceOptions = {},
): Promise<RawClient> {
  const client = await dialHub(emulator, options.hub);
  const { returnCode } = await client.connect(connectPacket(emulator, deviceId, options));
  if (returnCode !== 0) throw new Error(`device ${deviceId} was refused with ${returnCode ?? 'nothing'}`);
  return client;
}

/** A registration at DPS over MQTT, by hand: the topic of each answer. */
export async function dialDps(emulator: AzureIotEmulator, registrationId: string): Promise<RawClient> {
  const { idScope } = emulator.dps('dps-1');
  const client = await RawClient.overTls({
    port: emulator.mqttPort,
    ca: emulator.cloud.trustedRootsPem,
    servername: 'global.azure-devices-provisioning.localhost',
  });
  await client.connect({
    clientId: registrationId,
    username: `${idScope}/registrations/${registrationId}/api-version=2019-03-31`,
  });
  await client.subscribe('$dps/registrations/res/#');
  return client;
}

/** Sends a register message and gives the topic of its answer. */
export async function registerOverMqtt(client: RawClient, registrationId: string): Promise<string> {
  await client.publish('$dps/registrations/PUT/iotdps-register/?$rid=r1', JSON.stringify({ registrationId }), 2);
  return (await client.next('publish')).topic;
}
