import { readFile } from 'node:fs/promises';
import type { DeviceAgentOptions } from '../device-agent.ts';
import { textOf } from '../errors.ts';
import { loadIdentity, type IdentitySource } from '../identity/device-identity.ts';
import { configError, type ServiceConfig } from './config.ts';
import { readSecret } from './secrets.ts';

/** What an agent is made of, as far as a configuration says it, and the secrets that went into it. */
export interface ConfiguredAgent {
  readonly options: Pick<
    DeviceAgentOptions,
    'identity' | 'connectTo' | 'stateFolder' | 'transport' | 'trustedRootsPem'
  >;
  /** To be kept out of everything that is written. */
  readonly secrets: readonly string[];
}

/**
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG, ERR_AGENT_IDENTITY_FILE, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID
 */
export async function configuredAgent(config: ServiceConfig): Promise<ConfiguredAgent> {
  const { connectTo, stateFolder, transport, trustedRootsFile } = config;
  const password = await readSecret('identity', config.identity);
  const trustedRootsPem = trustedRootsFile === undefined ? undefined : await readRoots(trustedRootsFile);
  return {
    options: {
      identity: await loadIdentity(identitySource(config.identity, password)),
      connectTo,
      stateFolder,
      transport,
      ...(trustedRootsPem !== undefined && { trustedRootsPem }),
    },
    secrets: password === undefined ? [] : [password],
  };
}

function identitySource(identity: ServiceConfig['identity'], password: string | undefined): IdentitySource {
  if ('pfxFile' in identity) return { pfxFile: identity.pfxFile, password: password ?? '' };
  const { chainFile, keyFile } = identity;
  return { chainFile, keyFile, ...(password !== undefined && { password }) };
}

async function readRoots(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw configError(`Can't read trustedRootsFile: ${textOf(cause)}. Check the path and its permissions.`, cause);
  });
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw configError(`trustedRootsFile ${file} holds no certificate in PEM: convert it, or give another file.`);
}
