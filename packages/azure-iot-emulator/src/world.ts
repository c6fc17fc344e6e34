import { ManagementPlane } from './arm/management-plane.ts';
import type { Shelf } from './data/shelf.ts';
import { completeAssumptions } from './assumptions.ts';
import { defaultDpsLimits, documentedDpsLimits, type DpsLimits } from './dps/dps-limits.ts';
import { DeviceRegistration } from './dps/device-registration.ts';
import { DpsMqttService } from './dps/dps-mqtt-service.ts';
import { RateLimit } from './dps/rate-limit.ts';
import { TokenAuthority } from './entra/token-authority.ts';
import type { Ground } from './ground.ts';
import { createHttpPlanes, type HttpPlanes } from './http-planes.ts';
import { HubMqttService } from './hub/hub-mqtt-service.ts';
import type { MqttService } from './mqtt/service.ts';
import type { StartAzureIotOptions } from './start.ts';

/** All planes with what exists in them. */
export interface World {
  readonly management: ManagementPlane;
  readonly planes: HttpPlanes;
  readonly mqttServices: readonly MqttService[];
  /** A token of the service principal. */
  readonly tokenFor: (audience: string) => Promise<string>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Builds the planes around what a shelf holds. */
export async function openWorld(ground: Ground, shelf: Shelf, options: StartAzureIotOptions): Promise<World> {
  const { cloud, clock, identity, log, committed } = ground;
  const { now } = clock;
  const management = new ManagementPlane({ ...managementOptions(ground, options), shelf });
  const { dps: assumptions } = completeAssumptions(options.assumptions);
  const limits = dpsLimits(options);
  const registration = new DeviceRegistration({
    ...{ assumptions, limits },
    ...(options.hubLatencyMs && { hubLatencyMs: options.hubLatencyMs }),
    startTimer: clock.startTimer,
    instances: management.instances,
    hubs: management.hubs,
    retryAfterSeconds: options.registrationRetryAfterSeconds ?? 0,
    now,
    shelf,
    log,
  });
  const tokens = await TokenAuthority.create(identity.servicePrincipal, now, identity.tokenKey);
  const operations = new RateLimit({
    ...{ calls: limits.operationsPerMinute, windowMs: 60_000, what: 'operations', now },
    kept: shelf.map('serviceCalls'),
  });
  const dps = { assumptions, operations };
  const planes = await createHttpPlanes({ cloud, management, registration, tokens, dps, committed });
  const issuer = `${cloud.authorityHost}/${identity.servicePrincipal.tenantId}/v2.0`;
  return {
    management,
    planes,
    mqttServices: [
      new DpsMqttService({ registration, now }),
      new HubMqttService({ hubs: management.hubs, assumptions: completeAssumptions(options.assumptions).hub }),
    ],
    tokenFor: (audience) => tokens.issue(audience, issuer),
    close: async () => {
      management.close();
      await planes.close();
    },
  };
}

function dpsLimits({ dpsLimits: wanted }: StartAzureIotOptions): DpsLimits {
  return wanted === 'documented' ? documentedDpsLimits : { ...defaultDpsLimits, ...wanted };
}

function managementOptions(
  { cloud, clock, log }: Ground,
  options: StartAzureIotOptions,
): ConstructorParameters<typeof ManagementPlane>[0] {
  const { operationPolls = 0, operationRetryAfterSeconds = 1 } = options;
  return {
    assumptions: completeAssumptions(options.assumptions).arm,
    dpsLimits: dpsLimits(options),
    hubSettings: { assumptions: completeAssumptions(options.assumptions).hub, quotas: options.quotas ?? 'off' },
    subscriptionId: cloud.subscriptionId,
    tenantId: cloud.servicePrincipal.tenantId,
    hosts: {
      deviceEndpoint: cloud.provisioningDeviceEndpoint,
      serviceSuffix: cloud.provisioningServiceSuffix,
      hubSuffix: cloud.hubSuffix,
    },
    operationPolls,
    operationRetryAfterSeconds: operationRetryAfterSeconds === 'as-recorded' ? undefined : operationRetryAfterSeconds,
    now: clock.now,
    startTimer: clock.startTimer,
    log,
  };
}
