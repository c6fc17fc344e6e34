import type { DeviceAgentOptions } from '../agent/agent-options.ts';
import type { DiagnoseOptions } from '../diagnosis/examination.ts';
import { loadIdentity, type IdentitySource } from '../identity/device-identity.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import type { ServiceConfig } from './config.ts';
import { credentialPath } from './credentials.ts';
import { readRoots, readSecret } from './secrets.ts';

/** What an agent is made of, as far as a configuration says it, and the secrets that went into it. */
export interface ConfiguredAgent {
  readonly options: Pick<
    DeviceAgentOptions,
    'identity' | 'connectTo' | 'stateFolder' | 'transport' | 'proxy' | 'trustedRootsPem' | 'outbox'
  >;
  /** To be kept out of everything that is written. */
  readonly secrets: readonly string[];
}

/**
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG, ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID
 */
export async function configuredAgent(config: ServiceConfig): Promise<ConfiguredAgent> {
  const { connectTo, stateFolder, transport, trustedRootsFile } = config;
  const { maxAgeHours, ...outbox } = config.outbox;
  const secrets: string[] = [];
  const proxy = await proxySettings(config, secrets);
  const options = {
    identity: await loadIdentity(await identitySource(config, secrets)),
    connectTo,
    stateFolder,
    transport,
    ...(proxy && { proxy }),
    outbox: { ...outbox, ...(maxAgeHours !== undefined && { maxAgeMs: maxAgeHours * 3_600_000 }) },
    ...(trustedRootsFile !== undefined && { trustedRootsPem: await readRoots('trustedRootsFile', trustedRootsFile) }),
  };
  return { options, secrets };
}

/** Adds what it reads to the secrets. */
export async function identitySource({ identity }: ServiceConfig, secrets: string[]): Promise<IdentitySource> {
  const password = await readSecret('identity', identity);
  if (password !== undefined) secrets.push(password);
  if ('pfxFile' in identity) {
    return { pfxFile: credentialPath('identity.pfxFile', identity.pfxFile), password: password ?? '' };
  }
  return {
    chainFile: credentialPath('identity.chainFile', identity.chainFile),
    keyFile: credentialPath('identity.keyFile', identity.keyFile),
    ...(password !== undefined && { password }),
  };
}

/** Adds what it reads to the secrets. */
export async function proxySettings({ proxy }: ServiceConfig, secrets: string[]): Promise<ProxySettings | undefined> {
  if (!proxy) return undefined;
  const { url, user, noProxy, trustedRootsFile } = proxy;
  const password = await readSecret('proxy', proxy);
  const withUser = new URL(url);
  withUser.username = user ?? '';
  withUser.password = password ?? '';
  if (password !== undefined) secrets.push(password, Buffer.from(`${user ?? ''}:${password}`).toString('base64'));
  return {
    url: withUser.href,
    ...(noProxy !== undefined && { noProxy }),
    ...(trustedRootsFile !== undefined && {
      trustedRootsPem: await readRoots('proxy.trustedRootsFile', trustedRootsFile),
    }),
  };
}

/**
 * What `diagnose` looks at: an identity that can't be read is a finding there, and no failure here.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG
 */
export async function diagnosisOptions(
  config: ServiceConfig,
): Promise<{ readonly options: DiagnoseOptions; readonly secrets: readonly string[] }> {
  const { connectTo, stateFolder, transport, trustedRootsFile } = config;
  const secrets: string[] = [];
  const proxy = await proxySettings(config, secrets);
  const options = {
    identity: await identitySource(config, secrets),
    connectTo,
    stateFolder,
    transport,
    ...(proxy && { proxy }),
    ...(trustedRootsFile !== undefined && { trustedRootsPem: await readRoots('trustedRootsFile', trustedRootsFile) }),
  };
  return { options, secrets };
}
