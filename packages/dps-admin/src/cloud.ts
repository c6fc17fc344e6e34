import { readFile } from 'node:fs/promises';
import { DpsAdminError } from './errors.ts';

/** An application's own identity in Entra ID, for clouds where nobody signs in by hand. */
export interface ServicePrincipal {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Where requests go: one plain JSON value. Endpoints are `https://HOST[:PORT]` without a path; suffixes are host names that may carry a port. */
export interface Cloud {
  readonly name: string;
  /** Entra ID, for example `https://login.microsoftonline.com`. */
  readonly authorityHost: string;
  readonly resourceManagerEndpoint: string;
  /** Tokens are asked for as `{audience}/.default`. */
  readonly resourceManagerAudience: string;
  /** Where devices register: a host name that may carry a port, no scheme. */
  readonly provisioningDeviceEndpoint: string;
  /** A DPS instance's service API is at `https://{dpsName}.{suffix}`. */
  readonly provisioningServiceSuffix: string;
  readonly provisioningServiceAudience: string;
  /** An IoT hub is at `{hubName}.{suffix}`. */
  readonly hubSuffix: string;
  readonly hubAudience: string;
  /** PEM certificates that are trusted besides those that Node ships. */
  readonly trustedRootsPem?: string;
  readonly subscriptionId?: string;
  readonly servicePrincipal?: ServicePrincipal;
}

/** Names of Microsoft's own clouds. */
export type CloudName = 'public' | 'usgov' | 'china';

/**
 * Microsoft's clouds. Authority hosts are those of @azure/identity; Microsoft's clients ask for the same DPS audience in every cloud
 * and for a hub audience of its own in US Government only.
 */
export const clouds: Readonly<Record<CloudName, Cloud>> = {
  public: {
    name: 'public',
    authorityHost: 'https://login.microsoftonline.com',
    resourceManagerEndpoint: 'https://management.azure.com',
    resourceManagerAudience: 'https://management.azure.com',
    provisioningDeviceEndpoint: 'global.azure-devices-provisioning.net',
    provisioningServiceSuffix: 'azure-devices-provisioning.net',
    provisioningServiceAudience: 'https://azure-devices-provisioning.net',
    hubSuffix: 'azure-devices.net',
    hubAudience: 'https://iothubs.azure.net',
  },
  usgov: {
    name: 'usgov',
    authorityHost: 'https://login.microsoftonline.us',
    resourceManagerEndpoint: 'https://management.usgovcloudapi.net',
    resourceManagerAudience: 'https://management.usgovcloudapi.net',
    provisioningDeviceEndpoint: 'global.azure-devices-provisioning.us',
    provisioningServiceSuffix: 'azure-devices-provisioning.us',
    provisioningServiceAudience: 'https://azure-devices-provisioning.net',
    hubSuffix: 'azure-devices.us',
    hubAudience: 'https://iothubs.azure.us',
  },
  china: {
    name: 'china',
    authorityHost: 'https://login.chinacloudapi.cn',
    resourceManagerEndpoint: 'https://management.chinacloudapi.cn',
    resourceManagerAudience: 'https://management.chinacloudapi.cn',
    provisioningDeviceEndpoint: 'global.azure-devices-provisioning.cn',
    provisioningServiceSuffix: 'azure-devices-provisioning.cn',
    provisioningServiceAudience: 'https://azure-devices-provisioning.net',
    hubSuffix: 'azure-devices.cn',
    hubAudience: 'https://iothubs.azure.net',
  },
};

/**
 * A cloud by its name (`public`, `usgov`, `china`) or from a JSON file.
 *
 * @param nameOrFile - one of the names, else a path: anything with a slash, a backslash or a dot in it
 * @throws {DpsAdminError} ERR_CLOUD_UNKNOWN: neither a known name nor a path
 * @throws {DpsAdminError} ERR_CLOUD_FILE: the file can't be read, is not JSON, or a field is missing or of the wrong form
 */
export async function loadCloud(nameOrFile: string): Promise<Cloud> {
  if (typeof nameOrFile !== 'string')
    throw new TypeError('nameOrFile has to be a string: public, usgov, china or a path.');
  if (Object.hasOwn(clouds, nameOrFile)) return clouds[nameOrFile as CloudName];
  if (!/[./\\]/.test(nameOrFile)) {
    throw new DpsAdminError(
      'ERR_CLOUD_UNKNOWN',
      `There is no cloud named '${nameOrFile}'. Use public, usgov or china, or the path of a cloud file.`,
      { advice: 'fix-input' },
    );
  }
  let text: string;
  try {
    text = await readFile(nameOrFile, 'utf8');
  } catch (cause) {
    const missing = isRecord(cause) && cause.code === 'ENOENT';
    throw cloudFileError(nameOrFile, missing ? 'there is no such file' : 'the file cannot be read', cause);
  }
  return parseCloud(text, nameOrFile);
}

/**
 * Reads a cloud from JSON text; `source` names it in errors. Fields that are not known are left out.
 *
 * @throws {DpsAdminError} ERR_CLOUD_FILE
 */
export function parseCloud(json: string, source: string): Cloud {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    // The parser's message may quote the text, and the text may hold a client secret.
    throw cloudFileError(source, 'it is not JSON', cause instanceof SyntaxError ? undefined : cause);
  }
  if (!isRecord(value)) throw cloudFileError(source, 'it is not a JSON object');
  const fields = value;
  const text = (name: string): string => requiredText(fields, name, { source });
  return {
    name: text('name'),
    authorityHost: endpoint(text('authorityHost'), 'authorityHost', source),
    resourceManagerEndpoint: endpoint(text('resourceManagerEndpoint'), 'resourceManagerEndpoint', source),
    resourceManagerAudience: trimSlash(text('resourceManagerAudience')),
    provisioningDeviceEndpoint: text('provisioningDeviceEndpoint'),
    provisioningServiceSuffix: text('provisioningServiceSuffix'),
    provisioningServiceAudience: trimSlash(text('provisioningServiceAudience')),
    hubSuffix: text('hubSuffix'),
    hubAudience: trimSlash(text('hubAudience')),
    ...optionalText(fields, 'trustedRootsPem', source),
    ...optionalText(fields, 'subscriptionId', source),
    ...servicePrincipal(fields.servicePrincipal, source),
  };
}

function servicePrincipal(value: unknown, source: string): { servicePrincipal?: ServicePrincipal } {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw cloudFileError(source, "'servicePrincipal' has to be an object");
  const text = (name: string): string => requiredText(value, name, { source, prefix: 'servicePrincipal.' });
  return {
    servicePrincipal: { tenantId: text('tenantId'), clientId: text('clientId'), clientSecret: text('clientSecret') },
  };
}

function optionalText<Name extends string>(
  fields: Record<string, unknown>,
  name: Name,
  source: string,
): { [key in Name]?: string } {
  const value = fields[name];
  if (value === undefined || value === null) return {};
  return { [name]: requiredText(fields, name, { source }) } as { [key in Name]?: string };
}

function requiredText(
  fields: Record<string, unknown>,
  name: string,
  { source, prefix = '' }: { readonly source: string; readonly prefix?: string },
): string {
  const value = fields[name];
  if (value === undefined) throw cloudFileError(source, `'${prefix}${name}' is missing`);
  if (typeof value !== 'string' || value === '') throw cloudFileError(source, `'${prefix}${name}' has to be text`);
  return value;
}

function endpoint(text: string, name: string, source: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:') {
    throw cloudFileError(source, `'${name}' has to be an address that begins with https://`);
  }
  return trimSlash(text);
}

function trimSlash(text: string): string {
  return text.replace(/\/+$/, '');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function cloudFileError(source: string, what: string, cause?: unknown): DpsAdminError {
  return new DpsAdminError(
    'ERR_CLOUD_FILE',
    `Cloud file '${source}' cannot be used: ${what}. The emulator writes one at its start; for Azure use the names public, usgov or china.`,
    { advice: 'fix-input', cause },
  );
}
