import type { DeviceIdentity } from './device-identity.ts';
import type { DeviceSession } from './device-session.ts';
import { formatTime, neverInIdentity, neverInTwin } from './dotnet-time.ts';
import { twinEtag } from './entity-tag.ts';
import type { JsonObject } from './json.ts';
import type { MessageQueue } from './message-queue.ts';
import { sectionWithMetadata } from './twin-section.ts';
import type { Twin } from './twin.ts';

/** What is kept of a session that asked not to be clean (MQTT 3.1.1 section 3.1.2.4): topic filters and granted QoS. */
export type Subscriptions = Map<string, 0 | 1>;

/** A device of a hub: its identity, twin and queue, and its connection while there is one. */
export interface Device {
  identity: DeviceIdentity;
  twin: Twin;
  readonly messages: MessageQueue;
  session: DeviceSession | undefined;
  /** Undefined where the last session was clean, or none ever was. */
  keptSubscriptions: Subscriptions | undefined;
  /** Milliseconds since 1970; undefined before the first connection. */
  connectionStateUpdatedMs: number | undefined;
  lastActivityMs: number | undefined;
}

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
    authentication: {
      symmetricKey: { ...identity.authentication.symmetricKey },
      x509Thumbprint: { ...identity.authentication.x509Thumbprint },
      type: identity.authentication.type,
    },
    capabilities: { ...identity.capabilities },
    deviceScope: identity.deviceScope,
    parentScopes: identity.parentScopes,
  };
}

/** The twin as the service plane answers it; tags are absent until they are set. */
export function twinJson(device: Device, nowMs: number): JsonObject {
  const { identity, twin } = device;
  return {
    deviceId: identity.deviceId,
    etag: twinEtag(twin.etagCounter),
    deviceEtag: identity.etag,
    status: identity.status,
    ...(identity.statusReason !== null && { statusReason: identity.statusReason }),
    statusUpdateTime: timeOr(neverInTwin, identity.statusUpdatedMs),
    connectionState: connectionState(device),
    lastActivityTime: timeOr(neverInTwin, device.lastActivityMs),
    cloudToDeviceMessageCount: device.messages.count(nowMs),
    authenticationType: identity.authentication.type,
    x509Thumbprint: { ...identity.authentication.x509Thumbprint },
    modelId: '',
    version: twin.version,
    ...(twin.tags && { tags: twin.tags }),
    properties: { desired: sectionWithMetadata(twin.desired), reported: sectionWithMetadata(twin.reported) },
    capabilities: { ...identity.capabilities },
    ...(identity.deviceScope !== null && { deviceScope: identity.deviceScope, parentScopes: identity.parentScopes }),
  };
}

function connectionState(device: Device): 'Connected' | 'Disconnected' {
  return device.session ? 'Connected' : 'Disconnected';
}

function timeOr(never: string, timeMs: number | undefined): string {
  return timeMs === undefined ? never : formatTime(timeMs);
}
