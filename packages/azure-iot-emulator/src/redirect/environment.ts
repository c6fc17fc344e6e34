import type { EmulatorCloud } from '../cloud.ts';
import { formatPorts, PORTS_VARIABLE } from './route.ts';

/** A process environment, or a part of one. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What {@link redirectedEnvironment} puts together. */
export interface RedirectedEnvironmentOptions {
  readonly cloud: EmulatorCloud;
  /** Absolute path of the cloud file. */
  readonly cloudFile: string;
  /** Absolute path of a PEM file with the emulator's root. */
  readonly rootsFile: string;
  /** The environment that is extended. */
  readonly base: Environment;
}

/** Hosts that a proxy must not be asked for; a leading dot means all names under it. */
const DIRECT_HOSTS = [
  'management.azure.com',
  'login.microsoftonline.com',
  '.azure-devices.net',
  '.azure-devices-provisioning.net',
  '.localhost',
  'localhost',
];

/**
 * The variables by which a program that was written for Azure meets the emulator: the hook and the root for Node, the
 * root for Python, the service principal as @azure/identity and the other languages read it, and no proxy in between.
 *
 * The service principal's secret is among them.
 */
export function redirectedEnvironment(options: RedirectedEnvironmentOptions): Record<string, string> {
  const { cloud, cloudFile, rootsFile, base } = options;
  const { tenantId, clientId, clientSecret } = cloud.servicePrincipal;
  const noProxy = [base['NO_PROXY'] ?? base['no_proxy'], ...DIRECT_HOSTS].filter(Boolean).join(',');
  return {
    NODE_OPTIONS: [base['NODE_OPTIONS'], `--import=${hookUrl()}`].filter(Boolean).join(' '),
    [PORTS_VARIABLE]: formatPorts(cloud.ports),
    NODE_EXTRA_CA_CERTS: rootsFile,
    REQUESTS_CA_BUNDLE: rootsFile,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: clientId,
    AZURE_CLIENT_SECRET: clientSecret,
    AZURE_SUBSCRIPTION_ID: cloud.subscriptionId,
    PROVISIONING_HOST: cloud.provisioningDeviceEndpoint,
    AZURE_IOT_EMULATOR_CLOUD: cloudFile,
  };
}

/** The hook as it is built, beside this file's own build. */
function hookUrl(): string {
  return new URL('./hook.js', import.meta.url).href;
}
