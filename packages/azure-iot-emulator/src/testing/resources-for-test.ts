import type { ProvisioningServiceView } from '../emulator-view.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import type { Seed, SeedHub, SeedProvisioningService } from '../data/seed.ts';
import type { AzureIotEmulator } from '../start.ts';

/** Resources that one test has to itself. */
export interface ResourcesForTest {
  readonly hub: IotHub;
  readonly dps: ProvisioningServiceView;
}

/** What the test's resources hold beyond what new ones do; names are given to them. */
export interface ProvisioningForTest {
  readonly hub?: Omit<SeedHub, 'name'>;
  readonly dps?: Omit<SeedProvisioningService, 'name' | 'linkedHubs'>;
}

let made = 0;

/** A hub and a DPS that is linked to it, under names that nobody else has. */
export async function makeResources(
  emulator: AzureIotEmulator,
  { hub, dps }: ProvisioningForTest = {},
): Promise<ResourcesForTest> {
  made += 1;
  const names = { hub: `test-hub-${made}`, dps: `test-dps-${made}` };
  const seed: Seed = {
    resourceGroup: 'tests',
    hubs: [{ ...hub, name: names.hub }],
    provisioningServices: [{ ...dps, name: names.dps, linkedHubs: [names.hub] }],
  };
  await emulator.seed(seed);
  return { hub: emulator.hub(names.hub), dps: emulator.dps(names.dps) };
}
