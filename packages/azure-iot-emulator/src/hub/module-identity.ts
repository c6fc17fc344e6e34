import { readAuthentication } from './device-authentication.ts';
import { formatTicks } from './dotnet-time.ts';
import { identityEtag } from './entity-tag.ts';
import type { ClientIdentity } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import {
  identifierPattern,
  type IdentitySources,
  newKey,
  nextEtag,
  randomUint32,
  readText,
} from './device-identity.ts';
import type { JsonObject } from './json.ts';

/** An entry of a device's module registry; a module has no status of its own. */
export interface ModuleIdentity extends ClientIdentity {
  readonly moduleId: string;
  readonly managedBy: string | null;
}

/** @throws {HubError} ArgumentInvalid */
export function createModuleIdentity(
  name: { readonly deviceId: string; readonly moduleId: string },
  request: JsonObject,
  { nowMs, randomBytes }: IdentitySources,
): ModuleIdentity {
  if (!identifierPattern.test(name.moduleId)) {
    const text = `module ID '${name.moduleId}' has to be 1 to 128 characters out of A-Z a-z 0-9 - . % _ * ? ! ( ) , : = @ $ '`;
    throw new HubError('ArgumentInvalid', { text });
  }
  return {
    deviceId: name.deviceId,
    moduleId: name.moduleId,
    managedBy: readText(request.managedBy, 'managedBy') ?? null,
    generationId: formatTicks(nowMs, randomUint32(randomBytes) % 10_000),
    etag: identityEtag(randomUint32(randomBytes)),
    authentication: readAuthentication(request.authentication, {
      current: undefined,
      newKey: () => newKey(randomBytes),
    }),
  };
}

/** What a request doesn't name stays as it is. @throws {HubError} ArgumentInvalid */
export function updateModuleIdentity(
  current: ModuleIdentity,
  request: JsonObject,
  { randomBytes }: IdentitySources,
): ModuleIdentity {
  const managedBy = readText(request.managedBy, 'managedBy');
  return {
    ...current,
    managedBy: managedBy === undefined ? current.managedBy : managedBy,
    etag: nextEtag(current.etag, randomBytes),
    authentication: readAuthentication(request.authentication, {
      current: current.authentication,
      newKey: () => newKey(randomBytes),
    }),
  };
}
