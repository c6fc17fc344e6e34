import { formatTime, neverInIdentity, neverInTwin } from './dotnet-time.ts';
import { twinEtag } from './entity-tag.ts';
import type { Device, HubClient, Module } from './hub-client.ts';
import type { JsonObject } from './json.ts';
import { sectionWithMetadata } from './twin-section.ts';

/** The identity as the registry answers it; key order and the year 1 for "never" as in captures. */
export function identityJson(device: Device, nowMs: number): JsonObject {
  const { identity } = device;
  return {
    deviceId: identity.deviceId,
    generationId: identity.generationId,
    etag: identity.etag,
    connectionState: connectionState(device),
    status: identity.status,
    statusReason: identity.statusReason,
    connectionStateUpdatedTime: timeOr(neverInIdentity, device.connectionStateUpdatedMs),
    statusUpdatedTime: timeOr(neverInIdentity, identity.statusUpdatedMs),
    lastActivityTime: timeOr(neverInIdentity, device.lastActivityMs),
    cloudToDeviceMessageCount: device.messages.count(nowMs),
    authentication: authenticationJson(device),
    capabilities: { ...identity.capabilities },
    deviceScope: identity.deviceScope,
    parentScopes: identity.parentScopes,
  };
}

/** A module's identity as the registry answers it: no status, no capabilities. */
export function moduleIdentityJson(module: Module, nowMs: number): JsonObject {
  const { identity } = module;
  return {
    moduleId: identity.moduleId,
    managedBy: identity.managedBy,
    deviceId: identity.deviceId,
    generationId: identity.generationId,
    etag: identity.etag,
    connectionState: connectionState(module),
    connectionStateUpdatedTime: timeOr(neverInIdentity, module.connectionStateUpdatedMs),
    lastActivityTime: timeOr(neverInIdentity, module.lastActivityMs),
    cloudToDeviceMessageCount: module.messages.count(nowMs),
    authentication: authenticationJson(module),
  };
}

/** A device's or module's twin as the service plane answers it; tags are absent until they are set. */
export function twinJson(client: Device | Module, nowMs: number): JsonObject {
  const { identity, twin } = client;
  const { identity: deviceIdentity } = 'device' in client ? client.device : client;
  return {
    deviceId: identity.deviceId,
    ...(identity.moduleId !== undefined && { moduleId: identity.moduleId }),
    etag: twinEtag(twin.etagCounter),
    deviceEtag: identity.etag,
    status: deviceIdentity.status,
    ...(deviceIdentity.statusReason !== null && { statusReason: deviceIdentity.statusReason }),
    statusUpdateTime: timeOr(neverInTwin, deviceIdentity.statusUpdatedMs),
    connectionState: connectionState(client),
    lastActivityTime: timeOr(neverInTwin, client.lastActivityMs),
    cloudToDeviceMessageCount: client.messages.count(nowMs),
    authenticationType: identity.authentication.type,
    x509Thumbprint: { ...identity.authentication.x509Thumbprint },
    modelId: '',
    version: twin.version,
    ...(twin.tags && { tags: twin.tags }),
    properties: { desired: sectionWithMetadata(twin.desired), reported: sectionWithMetadata(twin.reported) },
    ...('device' in client ? {} : deviceOnly(client)),
  };
}

function deviceOnly({ identity }: Device): JsonObject {
  return {
    capabilities: { ...identity.capabilities },
    ...(identity.deviceScope !== null && { deviceScope: identity.deviceScope, parentScopes: identity.parentScopes }),
  };
}

function authenticationJson({ identity: { authentication } }: HubClient): JsonObject {
  return {
    symmetricKey: { ...authentication.symmetricKey },
    x509Thumbprint: { ...authentication.x509Thumbprint },
    type: authentication.type,
  };
}

function connectionState(client: HubClient): 'Connected' | 'Disconnected' {
  return client.session ? 'Connected' : 'Disconnected';
}

function timeOr(never: string, timeMs: number | undefined): string {
  return timeMs === undefined ? never : formatTime(timeMs);
}
