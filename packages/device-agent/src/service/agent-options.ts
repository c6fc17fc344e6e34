import type { DeviceAgentOptions } from '../agent/agent-options.ts';
import type { DiagnoseOptions } from '../diagnosis/examination.ts';
import { loadIdentity, type IdentitySource } from '../identity/device-identity.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import { estSource } from '../renewal/est-source.ts';
import type { ServiceConfig } from './config.ts';
import { credentialPath } from './credentials.ts';
import { readRoots, readSecret, secretPlace } from './secrets.ts';

/** What a configuration says, for those who work by it. */
export interface Configured<Options> {
  readonly options: Options;
  /** To be kept out of everything that is written. */
  readonly secrets: readonly string[];
}

/**
 * What `diagnose` looks at: an identity that can't be read is a finding there, and no failure here.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG, ERR_AGENT_SECRET
 */
export async function diagnosisOptions(config: ServiceConfig): Promise<Configured<DiagnoseOptions>> {
  const { connectTo, provisioningPayload, stateFolder, transport, trustedRootsFile } = config;
  const secrets: string[] = [];
  const proxy = await proxySettings(config, secrets);
  const options = {
    identity: await identitySource(config, secrets),
    connectTo,
    ...(provisioningPayload && { provisioningPayload }),
    stateFolder,
    transport,
    ...(proxy && { proxy }),
    ...(trustedRootsFile !== undefined && { trustedRootsPem: await readRoots('trustedRootsFile', trustedRootsFile) }),
  };
  return { options, secrets };
}

/**
 * What an agent is made of, as far as a configuration says it.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG, ERR_AGENT_SECRET, ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD,
 *   ERR_AGENT_IDENTITY_INVALID, ERR_AGENT_TOKEN
 */
export async function configuredAgent(config: ServiceConfig): Promise<Configured<DeviceAgentOptions>> {
  const { options, secrets } = await diagnosisOptions(config);
  const { keepAliveSeconds, fleet, onRefusal, reprovision } = config;
  const { maxAgeHours, ...outbox } = config.outbox;
  const renewal = await renewalOptions(config, options.proxy);
  return {
    options: {
      ...options,
      identity: await loadIdentity(options.identity),
      outbox: { ...outbox, ...(maxAgeHours !== undefined && { maxAgeMs: maxAgeHours * 3_600_000 }) },
      ...(keepAliveSeconds !== undefined && { keepAliveSeconds }),
      ...(fleet && { fleet }),
      ...(onRefusal && { onRefusal }),
      ...(reprovision && { reprovision }),
      ...(renewal && { renewal }),
    },
    secrets,
  };
}

async function identitySource({ identity }: ServiceConfig, secrets: string[]): Promise<IdentitySource> {
  if ('pkcs11' in identity) {
    const { uri, modulePath, pinFile, pinVariable } = identity.pkcs11;
    const pin = secretPlace('identity.pkcs11.pin', pinFile, pinVariable);
    if (pin) secrets.push(await readSecret('identity.pkcs11.pin', pin));
    const key = { uri, ...(modulePath !== undefined && { modulePath }), ...(pin && { pin }) };
    return { chainFile: credentialPath('identity.chainFile', identity.chainFile), pkcs11: key };
  }
  const password = await passwordOf('identity', identity, secrets);
  if ('pfxFile' in identity) {
    return { pfxFile: credentialPath('identity.pfxFile', identity.pfxFile), password: password ?? '' };
  }
  return {
    chainFile: credentialPath('identity.chainFile', identity.chainFile),
    keyFile: credentialPath('identity.keyFile', identity.keyFile),
    ...(password !== undefined && { password }),
  };
}

async function proxySettings({ proxy }: ServiceConfig, secrets: string[]): Promise<ProxySettings | undefined> {
  if (!proxy) return undefined;
  const { url, user, noProxy, trustedRootsFile } = proxy;
  const password = await passwordOf('proxy', proxy, secrets);
  const withUser = new URL(url);
  withUser.username = user ?? '';
  withUser.password = password ?? '';
  if (password !== undefined) secrets.push(Buffer.from(`${user ?? ''}:${password}`).toString('base64'));
  return {
    url: withUser.href,
    ...(noProxy !== undefined && { noProxy }),
    ...(trustedRootsFile !== undefined && {
      trustedRootsPem: await readRoots('proxy.trustedRootsFile', trustedRootsFile),
    }),
  };
}

async function renewalOptions(
  { renewal }: ServiceConfig,
  proxy: ProxySettings | undefined,
): Promise<DeviceAgentOptions['renewal']> {
  if (!renewal) return undefined;
  const { est, ...rest } = renewal;
  const { trustedRootsFile, ...server } = est;
  const trustedRootsPem = await readRoots('renewal.est.trustedRootsFile', trustedRootsFile);
  return { ...rest, source: estSource({ ...server, trustedRootsPem, ...(proxy && { proxy }) }) };
}

async function passwordOf(
  owner: string,
  { passwordFile, passwordVariable }: { readonly passwordFile?: string; readonly passwordVariable?: string },
  secrets: string[],
): Promise<string | undefined> {
  const place = secretPlace(`${owner}.password`, passwordFile, passwordVariable);
  if (!place) return undefined;
  const password = await readSecret(`${owner}.password`, place);
  secrets.push(password);
  return password;
}
