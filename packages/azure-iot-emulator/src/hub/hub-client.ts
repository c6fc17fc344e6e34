import type { DeviceAuthentication } from './device-authentication.ts';
import type { DeviceIdentity } from './device-identity.ts';
import type { DeviceSession } from './device-session.ts';
import type { MessageQueue } from './message-queue.ts';
import type { ModuleIdentity } from './module-identity.ts';
import type { Twin } from './twin.ts';

/** A device by its ID, or a module of one. */
export type ClientName = string | { readonly deviceId: string; readonly moduleId: string };

/** What the identities of devices and modules have in common. */
export interface ClientIdentity {
  readonly deviceId: string;
  /** Undefined for a device. */
  readonly moduleId: string | undefined;
  readonly generationId: string;
  readonly etag: string;
  readonly authentication: DeviceAuthentication;
}

/** What is kept of a session that asked not to be clean (MQTT 3.1.1 section 3.1.2.4): topic filters and granted QoS. */
export type Subscriptions = Map<string, 0 | 1>;

/** Somebody who connects, a device or a module: identity, twin and queue, and the connection while there is one. */
export interface HubClient<Identity extends ClientIdentity = ClientIdentity> {
  identity: Identity;
  twin: Twin;
  readonly messages: MessageQueue;
  session: DeviceSession | undefined;
  /** Undefined where the last session was clean, or none ever was. */
  keptSubscriptions: Subscriptions | undefined;
  /** Milliseconds since 1970; undefined before the first connection. */
  connectionStateUpdatedMs: number | undefined;
  lastActivityMs: number | undefined;
}

/** A device of a hub. */
export interface Device extends HubClient<DeviceIdentity> {
  /** By module ID, in order of creation. */
  readonly modules: Map<string, Module>;
}

/** A module of a device. */
export interface Module extends HubClient<ModuleIdentity> {
  readonly device: Device;
}

/** For logs and messages: `device 'd1'` or `module 'd1/m1'`. */
export function describeClient({ deviceId, moduleId }: Pick<ClientIdentity, 'deviceId' | 'moduleId'>): string {
  return moduleId === undefined ? `device '${deviceId}'` : `module '${deviceId}/${moduleId}'`;
}
