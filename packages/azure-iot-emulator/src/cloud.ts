import type { ServicePrincipal } from './entra/service-principal.ts';
import type { EmulatorPorts } from './redirect/route.ts';

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
  /** Where the emulator listens, whatever names and ports the other fields say. */
  readonly ports: EmulatorPorts;
}

/** What {@link describeCloud} has to be told. */
export interface CloudParts {
  readonly mqttPort: number;
  readonly httpsPort: number;
  /** Undefined for 127.0.0.1. */
  readonly address: string | undefined;
  /** `local`: names under .localhost with the ports behind them; `azure`: Microsoft's own, without ports. */
  readonly names: 'local' | 'azure';
  readonly trustedRootsPem: string;
  readonly subscriptionId: string;
  readonly servicePrincipal: ServicePrincipal;
}

/** The emulator's cloud for the ports that it listens on. */
export function describeCloud({ mqttPort, httpsPort, address, names, ...rest }: CloudParts): EmulatorCloud {
  return {
    name: 'emulator',
    ...(names === 'azure' ? azureNames : localNames(mqttPort, httpsPort)),
    resourceManagerAudience: 'https://management.azure.com',
    provisioningServiceAudience: 'https://azure-devices-provisioning.net',
    hubAudience: 'https://iothubs.azure.net',
    ports: { mqtt: mqttPort, https: httpsPort, ...(address !== undefined && { address }) },
    ...rest,
  };
}

type Names = Pick<
  EmulatorCloud,
  'authorityHost' | 'resourceManagerEndpoint' | 'provisioningDeviceEndpoint' | 'provisioningServiceSuffix' | 'hubSuffix'
>;

const azureNames: Names = {
  authorityHost: 'https://login.microsoftonline.com',
  resourceManagerEndpoint: 'https://management.azure.com',
  provisioningDeviceEndpoint: 'global.azure-devices-provisioning.net',
  provisioningServiceSuffix: 'azure-devices-provisioning.net',
  hubSuffix: 'azure-devices.net',
};

function localNames(mqttPort: number, httpsPort: number): Names {
  const origin = `https://localhost:${httpsPort}`;
  return {
    authorityHost: origin,
    resourceManagerEndpoint: origin,
    provisioningDeviceEndpoint: `global.azure-devices-provisioning.localhost:${mqttPort}`,
    provisioningServiceSuffix: `azure-devices-provisioning.localhost:${httpsPort}`,
    hubSuffix: `azure-devices.localhost:${mqttPort}`,
  };
}
