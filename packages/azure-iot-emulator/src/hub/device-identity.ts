import { readAuthentication } from './device-authentication.ts';
import { formatTicks } from './dotnet-time.ts';
import { identityEtag } from './entity-tag.ts';
import type { ClientIdentity } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** An entry of the hub's identity registry, without what changes by itself while a device is connected. */
export interface DeviceIdentity extends ClientIdentity {
  readonly moduleId: undefined;
  readonly status: 'enabled' | 'disabled';
  readonly statusReason: string | null;
  /** Milliseconds since 1970; undefined until the status is first changed. */
  readonly statusUpdatedMs: number | undefined;
  readonly capabilities: { readonly iotEdge: boolean };
  readonly deviceScope: string | null;
  readonly parentScopes: readonly string[];
}

/** Clock and randomness of an identity's making. */
export interface IdentitySources {
  readonly nowMs: number;
  readonly randomBytes: (size: number) => Uint8Array;
}

/** Azure's rule for device and module IDs ("Understand the identity registry"): case-sensitive, at most 128 characters. */
export const identifierPattern = /^[A-Za-z0-9\-.%_*?!(),:=@$']{1,128}$/;

/** @throws {HubError} ArgumentInvalid */
export function createIdentity(deviceId: string, request: JsonObject, sources: IdentitySources): DeviceIdentity {
  if (!identifierPattern.test(deviceId)) {
    throw invalid(
      `device ID '${deviceId}' has to be 1 to 128 characters out of A-Z a-z 0-9 - . % _ * ? ! ( ) , : = @ $ '`,
    );
  }
  const { nowMs, randomBytes } = sources;
  const iotEdge = readIotEdge(request.capabilities) ?? false;
  const generationId = formatTicks(nowMs, randomUint32(randomBytes) % 10_000);
  const ownScope = iotEdge ? `ms-azure-iot-edge://${deviceId}-${generationId}` : null;
  const askedScope = readText(request.deviceScope, 'deviceScope');
  return {
    deviceId,
    moduleId: undefined,
    generationId,
    etag: identityEtag(randomUint32(randomBytes)),
    status: readStatus(request.status) ?? 'enabled',
    statusReason: readText(request.statusReason, 'statusReason', 128) ?? null,
    statusUpdatedMs: undefined,
    authentication: readAuthentication(request.authentication, {
      current: undefined,
      newKey: () => newKey(randomBytes),
    }),
    capabilities: { iotEdge },
    deviceScope: ownScope ?? askedScope ?? null,
    parentScopes: askedScope && !iotEdge ? [askedScope] : [],
  };
}

/** What a request doesn't name stays as it is. @throws {HubError} ArgumentInvalid */
export function updateIdentity(current: DeviceIdentity, request: JsonObject, sources: IdentitySources): DeviceIdentity {
  const { nowMs, randomBytes } = sources;
  const status = readStatus(request.status) ?? current.status;
  const statusReason = readText(request.statusReason, 'statusReason', 128);
  return {
    ...current,
    etag: nextEtag(current.etag, randomBytes),
    status,
    statusReason: statusReason === undefined ? current.statusReason : statusReason,
    statusUpdatedMs: status === current.status ? current.statusUpdatedMs : nowMs,
    authentication: readAuthentication(request.authentication, {
      current: current.authentication,
      newKey: () => newKey(randomBytes),
    }),
    capabilities: { iotEdge: readIotEdge(request.capabilities) ?? current.capabilities.iotEdge },
  };
}

/** 32 random bytes in base64, the size of the keys that Azure makes. */
export function newKey(randomBytes: (size: number) => Uint8Array): string {
  return Buffer.from(randomBytes(32)).toString('base64');
}

/** Another etag than `current`. */
export function nextEtag(current: string, randomBytes: (size: number) => Uint8Array): string {
  const value = randomUint32(randomBytes);
  const etag = identityEtag(value);
  return etag === current ? identityEtag((value + 1) >>> 0) : etag;
}

/** A random number from 0 to 2^32 - 1. */
export function randomUint32(randomBytes: (size: number) => Uint8Array): number {
  return Buffer.from(randomBytes(4)).readUInt32BE();
}

function readStatus(value: JsonValue | undefined): 'enabled' | 'disabled' | undefined {
  if (value === undefined || value === null) return undefined;
  const status = typeof value === 'string' ? value.toLowerCase() : value;
  if (status === 'enabled' || status === 'disabled') return status;
  throw invalid('status has to be enabled or disabled');
}

/** A text of a request; null and undefined as they are. @throws {HubError} ArgumentInvalid */
export function readText(
  value: JsonValue | undefined,
  name: string,
  mostCharacters = Infinity,
): string | null | undefined {
  if (value === undefined || value === null) return value;
  if (typeof value === 'string' && value.length <= mostCharacters) return value;
  throw invalid(`${name} has to be a text of at most ${mostCharacters} characters`);
}

function readIotEdge(value: JsonValue | undefined): boolean | undefined {
  const iotEdge = isJsonObject(value) ? value.iotEdge : undefined;
  return typeof iotEdge === 'boolean' ? iotEdge : undefined;
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
