import type { DeviceRegistry } from './device-registry.ts';
import type { JsonObject } from './json.ts';
import type { ProvisionedDevice } from './provisioned-device.ts';
import { createTwin, type TwinContent } from './twin.ts';

/** What moves from hub to hub when DPS migrates a device's data. */
export interface DeviceExport {
  readonly tags?: JsonObject;
  readonly desired: JsonObject;
  readonly reported: JsonObject;
}

/**
 * Takes a device from DPS. A new one gets what came with it (`migrated`), else its initial twin; of one that is here
 * already only the credential changes, unless `migrated` replaces its twin.
 *
 * @throws {HubError} ArgumentInvalid
 */
export function takeProvisioned(
  registry: DeviceRegistry,
  device: ProvisionedDevice,
  { migrated, nowMs }: { readonly migrated: DeviceExport | undefined; readonly nowMs: number },
): void {
  const request = { authentication: authenticationOf(device), capabilities: device.capabilities ?? null };
  const present = registry.get(device.deviceId);
  if (!present) {
    // Comes from an enrollment, which is JSON.
    const initialTwin = device.initialTwin as TwinContent | undefined;
    registry.create(device.deviceId, request, migrated ?? initialTwin);
    return;
  }
  registry.update(present, request);
  if (migrated) present.twin = createTwin(nowMs, migrated);
}

/** What DPS takes along when it moves a device to another hub. */
export function exportDevice(registry: DeviceRegistry, deviceId: string): DeviceExport | undefined {
  const twin = registry.get(deviceId)?.twin;
  return (
    twin && {
      ...(twin.tags && { tags: twin.tags }),
      desired: twin.desired.properties,
      reported: twin.reported.properties,
    }
  );
}

function authenticationOf({ thumbprints, isCertificateAuthority, symmetricKeys }: ProvisionedDevice): JsonObject {
  if (isCertificateAuthority) return { type: 'certificateAuthority' };
  if (thumbprints) {
    const { primary, secondary } = thumbprints;
    return { type: 'selfSigned', x509Thumbprint: { primaryThumbprint: primary, secondaryThumbprint: secondary } };
  }
  return {
    type: 'sas',
    ...(symmetricKeys && {
      symmetricKey: { primaryKey: symmetricKeys.primary, secondaryKey: symmetricKeys.secondary },
    }),
  };
}
