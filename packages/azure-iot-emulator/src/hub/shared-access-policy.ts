import { newKey } from './device-identity.ts';

/** Rights of IoT Hub's shared access policies. */
export type AccessRight = 'RegistryRead' | 'RegistryWrite' | 'ServiceConnect' | 'DeviceConnect';

/** A shared access policy with its keys. */
export interface SharedAccessPolicy {
  readonly name: string;
  readonly rights: readonly AccessRight[];
  /** Base64 of 32 bytes. */
  readonly primaryKey: string;
  readonly secondaryKey: string;
}

/** The policies that every new hub has, and their rights. */
export const defaultRights: Readonly<Record<string, readonly AccessRight[]>> = {
  iothubowner: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'],
  service: ['ServiceConnect'],
  device: ['DeviceConnect'],
  registryRead: ['RegistryRead'],
  registryReadWrite: ['RegistryRead', 'RegistryWrite'],
};

/** The five policies that every new hub has ("Control access to IoT Hub"), with new keys. */
export function createDefaultPolicies(randomBytes: (size: number) => Uint8Array): SharedAccessPolicy[] {
  return Object.entries(defaultRights).map(([name, rights]) => ({
    name,
    rights,
    primaryKey: newKey(randomBytes),
    secondaryKey: newKey(randomBytes),
  }));
}
