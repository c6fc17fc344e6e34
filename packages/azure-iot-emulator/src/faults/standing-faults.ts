import type { ManagementPlane } from '../arm/management-plane.ts';
import type { VirtualClock } from '../clock/virtual-clock.ts';
import type { FaultOf, FaultRegistry } from './fault-registry.ts';

/** Options of {@link letFaultsStand}. */
export interface StandingFaultsOptions {
  readonly faults: FaultRegistry;
  readonly clock: VirtualClock;
  readonly management: () => ManagementPlane;
}

/** Faults that change a state for as long as they last, whoever asks meanwhile. */
export function letFaultsStand({ faults, clock, management }: StandingFaultsOptions): void {
  faults.subscribe((fault, { end }) => {
    switch (fault.kind) {
      case 'deviceDisabled':
        return disableDevice(management(), fault);
      case 'clockSkew':
        clock.set(clock.nowMs + fault.skewMs);
        return () => clock.set(clock.nowMs - fault.skewMs);
      case 'failover':
        return fault.durationMs === undefined ? undefined : clock.startTimer(fault.durationMs, end);
      default:
        return undefined;
    }
  });
}

function disableDevice(
  management: ManagementPlane,
  { hub: name, deviceId = '' }: FaultOf<'deviceDisabled'>,
): () => void {
  const undo = management.iotHubs.list().flatMap(({ hub }) => {
    const device = hub.registry.get(deviceId);
    const isMeant = name === undefined || name.toLowerCase() === hub.name.toLowerCase();
    if (!device || !isMeant || device.identity.status === 'disabled') return [];
    hub.registry.update(device, { status: 'disabled' });
    return [
      () => {
        if (hub.registry.get(deviceId) === device) hub.registry.update(device, { status: 'enabled' });
      },
    ];
  });
  return () => {
    for (const step of undo) step();
  };
}
