import type { ServicePrincipal } from './entra/service-principal.ts';

/**
 * Where requests go, as plain JSON. Hosts of DPS and hubs carry the emulator's port; a client puts the instance's or
 * hub's name and a dot before a suffix.
 */
export interface EmulatorCloud {
  readonly name: 'emulator';
  /** Base of Entra ID, for example `https://localhost:8443`. */
  readonly authorityHost: string;
  /** Base of Azure Resource Manager. */
  readonly resourceManagerEndpoint: string;
  readonly resourceManagerAudience: string;
  /** Host that devices register at, for example `global.azure-devices-provisioning.localhost:8883`. */
  readonly provisioningDeviceEndpoint: string;
  readonly provisioningServiceSuffix: string;
  readonly provisioningServiceAudience: string;
  readonly hubSuffix: string;
  readonly hubAudience: string;
  /** PEM of the root that signed the emulator's server certificate; made anew at every start. */
  readonly trustedRootsPem: string;
  readonly subscriptionId: string;
  /** Holds a secret. */
  readonly servicePrincipal: ServicePrincipal;
}

/** What {@link describeCloud} has to be told. */
export interface CloudParts {
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly trustedRootsPem: string;
  readonly subscriptionId: string;
  readonly servicePrincipal: ServicePrincipal;
}

/** The emulator's cloud for the ports that it listens on. */
export function describeCloud({ mqttPort, httpsPort, ...rest }: CloudParts): EmulatorCloud {
  const origin = `https://localhost:${httpsPort}`;
  return {
    name: 'emulator',
    authorityHost: origin,
    resourceManagerEndpoint: origin,
    resourceManagerAudience: 'https://management.azure.com',
    provisioningDeviceEndpoint: `global.azure-devices-provisioning.localhost:${mqttPort}`,
    provisioningServiceSuffix: `azure-devices-provisioning.localhost:${httpsPort}`,
    provisioningServiceAudience: 'https://azure-devices-provisioning.net',
    hubSuffix: `azure-devices.localhost:${mqttPort}`,
    hubAudience: 'https://iothubs.azure.net',
    ...rest,
  };
}
