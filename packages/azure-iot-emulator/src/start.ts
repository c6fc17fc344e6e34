import { randomBytes, randomUUID } from 'node:crypto';
import { ManagementPlane } from './arm/management-plane.ts';
import { type EmulatorCloud, describeCloud } from './cloud.ts';
import { writeCloudFile } from './cloud-file.ts';
import { DeviceRegistration } from './dps/device-registration.ts';
import { DpsMqttService } from './dps/dps-mqtt-service.ts';
import { type ProvisioningServiceView, viewProvisioningService } from './emulator-view.ts';
import { TokenAuthority } from './entra/token-authority.ts';
import { EmulatorError } from './errors.ts';
import { createHttpPlanes, type HttpPlanes } from './http-planes.ts';
import { HubMqttService } from './hub/hub-mqtt-service.ts';
import type { IotHub } from './hub/iot-hub.ts';
import type { MqttService } from './mqtt/service.ts';
import { listenTls, type ListenTlsOptions, type TlsListener } from './tls/listener.ts';
import { createServerIdentity } from './tls/server-identity.ts';

/** Options of {@link startAzureIot}. */
export interface StartAzureIotOptions {
  /** Port of the devices' names; default 0, which picks a free one. Azure's is 8883. */
  readonly mqttPort?: number;
  /** Port of Entra ID, Resource Manager and the service planes; default 0, which picks a free one. */
  readonly httpsPort?: number;
  /** Where `cloud.json` is written; default: nowhere. */
  readonly folder?: string;
  /**
   * Unix milliseconds; default `Date.now`. What the emulator judges and writes follows it. Clients judge the emulator's
   * server certificate by their own clock; it is good from a day before to a year after what this says at the start.
   */
  readonly now?: () => number;
  /** Gets a line for each thing that was refused, with the reason that Azure keeps to itself. Default: nothing is logged. */
  readonly log?: (line: string) => void;
  /** What a registering device is told to wait before it polls, in seconds; default 0. Azure says 3. */
  readonly registrationRetryAfterSeconds?: number;
  /** Polls of a Resource Manager operation answered `Running` before `Succeeded`; default 0. Azure: 0 to 4 and more. */
  readonly operationPolls?: number;
  /** `Retry-After` of Resource Manager operations in seconds; default 1. `'as-recorded'`: 15 on DELETE, none on PUT. */
  readonly operationRetryAfterSeconds?: number | 'as-recorded';
}

/** A local Azure for devices, running. */
export interface AzureIotEmulator {
  /** Where its planes are; holds the service principal's secret. */
  readonly cloud: EmulatorCloud;
  /** Absolute path of the cloud as a file; undefined without a folder. */
  readonly cloudFile: string | undefined;
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** @throws {EmulatorError} ERR_EMULATOR_HUB_MISSING */
  hub(name: string): IotHub;
  /** @throws {EmulatorError} ERR_EMULATOR_DPS_MISSING */
  dps(name: string): ProvisioningServiceView;
  /** Ends every connection and frees both ports. The cloud file stays; its secret is worth nothing any more. */
  close(): Promise<void>;
}

/**
 * Starts Entra ID, Resource Manager, DPS and IoT Hub on two ports of 127.0.0.1. Both ports serve everything; requests go
 * by host name. Nothing exists at first but an empty subscription and a service principal that owns it.
 *
 * @throws {EmulatorError} ERR_EMULATOR_PORT_TAKEN, ERR_EMULATOR_PORT_REFUSED, ERR_EMULATOR_FOLDER; nothing is left running
 */
export async function startAzureIot(options: StartAzureIotOptions = {}): Promise<AzureIotEmulator> {
  const { now = Date.now, log = () => undefined } = options;
  const doors = await openDoors(options, { now, log });
  try {
    const emulator = await furnish(doors, options, { now, log });
    const cloudFile = options.folder === undefined ? undefined : await writeCloudFile(options.folder, emulator.cloud);
    return { ...emulator, cloudFile };
  } catch (error) {
    await doors.close();
    throw error;
  }
}

interface Surroundings {
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** Both listeners, before there is anything behind them. */
interface Doors {
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly rootPem: string;
  readonly mqttServices: MqttService[];
  setHttpHandler(handle: ListenTlsOptions['http']): void;
  close(): Promise<void>;
}

/** The ports come first: host names, and with them all that the planes say, contain them. */
async function openDoors(
  { mqttPort = 0, httpsPort = 0 }: StartAzureIotOptions,
  { now, log }: Surroundings,
): Promise<Doors> {
  const identity = await createServerIdentity({ now });
  const mqttServices: MqttService[] = [];
  let handle: ListenTlsOptions['http'] = (_request, response) => response.writeHead(503).end();
  const listen = (port: number) =>
    listenTls({ port, identity, mqttServices, now, log, http: (request, response) => handle(request, response) });
  const listeners: TlsListener[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  try {
    for (const port of [mqttPort, httpsPort]) listeners.push(await listen(port));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    mqttPort: listeners[0]?.port ?? mqttPort,
    httpsPort: listeners[1]?.port ?? httpsPort,
    rootPem: identity.rootPem,
    mqttServices,
    setHttpHandler: (next) => {
      handle = next;
    },
    close,
  };
}

/** Builds the planes and puts them behind the doors. */
async function furnish(
  doors: Doors,
  options: StartAzureIotOptions,
  { now, log }: Surroundings,
): Promise<Omit<AzureIotEmulator, 'cloudFile'>> {
  const servicePrincipal = {
    tenantId: randomUUID(),
    clientId: randomUUID(),
    clientSecret: randomBytes(30).toString('base64url'),
  };
  const { mqttPort, httpsPort, rootPem } = doors;
  const cloud = describeCloud({
    mqttPort,
    httpsPort,
    trustedRootsPem: rootPem,
    subscriptionId: randomUUID(),
    servicePrincipal,
  });
  const management = createManagementPlane(cloud, options, { now, log });
  const registration = new DeviceRegistration({
    instances: management.instances,
    hubs: management.hubs,
    retryAfterSeconds: options.registrationRetryAfterSeconds ?? 0,
    now,
    log,
  });
  const tokens = await TokenAuthority.create(servicePrincipal, now);
  const planes = await createHttpPlanes({ cloud, management, registration, tokens });
  doors.setHttpHandler(planes.handle);
  doors.mqttServices.push(new DpsMqttService({ registration, now }), new HubMqttService({ hubs: management.hubs }));
  return {
    cloud,
    mqttPort,
    httpsPort,
    subscriptionId: cloud.subscriptionId,
    ...servicePrincipal,
    ...views(management),
    close: () => closeAll(doors, planes, management),
  };
}

function createManagementPlane(
  cloud: EmulatorCloud,
  { operationPolls = 0, operationRetryAfterSeconds = 1 }: StartAzureIotOptions,
  surroundings: Surroundings,
): ManagementPlane {
  return new ManagementPlane({
    subscriptionId: cloud.subscriptionId,
    tenantId: cloud.servicePrincipal.tenantId,
    hosts: {
      deviceEndpoint: cloud.provisioningDeviceEndpoint,
      serviceSuffix: cloud.provisioningServiceSuffix,
      hubSuffix: cloud.hubSuffix,
    },
    operationPolls,
    operationRetryAfterSeconds: operationRetryAfterSeconds === 'as-recorded' ? undefined : operationRetryAfterSeconds,
    ...surroundings,
  });
}

function views(management: ManagementPlane): Pick<AzureIotEmulator, 'hub' | 'dps'> {
  return {
    hub: (name) => {
      const resource = management.iotHubs.findByName(name);
      if (resource !== undefined) return resource.hub;
      throw new EmulatorError(
        'ERR_EMULATOR_HUB_MISSING',
        `There is no IoT Hub '${name}'; create it through Resource Manager first.`,
      );
    },
    dps: (name) => {
      const service = management.provisioningServices.findByName(name);
      if (service !== undefined) return viewProvisioningService(service.instance);
      throw new EmulatorError(
        'ERR_EMULATOR_DPS_MISSING',
        `There is no Device Provisioning Service '${name}'; create it through Resource Manager first.`,
      );
    },
  };
}

async function closeAll(doors: Doors, planes: HttpPlanes, management: ManagementPlane): Promise<void> {
  management.close();
  await doors.close();
  await planes.close();
}
