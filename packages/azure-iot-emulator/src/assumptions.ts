import { type ArmAssumptions, defaultArmAssumptions } from './arm/arm-assumptions.ts';
import { defaultDpsAssumptions, type DpsAssumptions } from './dps/dps-assumptions.ts';
import { defaultHubAssumptions, type HubAssumptions } from './hub/hub-assumptions.ts';

/** What Azure doesn't document and the emulator had to decide, by plane. */
export interface AzureIotAssumptions {
  readonly arm: ArmAssumptions;
  readonly dps: DpsAssumptions;
  readonly hub: HubAssumptions;
}

/** What a caller wants otherwise; the rest stays at its default. */
export type AzureIotAssumptionChanges = {
  readonly [Plane in keyof AzureIotAssumptions]?: Partial<AzureIotAssumptions[Plane]>;
};

/** The defaults of every plane. */
const defaults: AzureIotAssumptions = {
  arm: defaultArmAssumptions,
  dps: defaultDpsAssumptions,
  hub: defaultHubAssumptions,
};

/** All assumptions, with a caller's changes. */
export function completeAssumptions(changes: AzureIotAssumptionChanges = {}): AzureIotAssumptions {
  return {
    arm: { ...defaults.arm, ...changes.arm },
    dps: { ...defaults.dps, ...changes.dps },
    hub: { ...defaults.hub, ...changes.hub },
  };
}
