import type { AzureIotAssumptionChanges } from './assumptions.ts';
import { type EmulatorCloud } from './cloud.ts';
import { writeCloudFile } from './cloud-file.ts';
import type { EmulatorClock } from './clock/virtual-clock.ts';
import { openLibsqlEngine } from './data/libsql-engine.ts';
import type { Seed, SeedReport } from './data/seed.ts';
import type { EmulatorSnapshots } from './data/snapshots.ts';
import { Store } from './data/store.ts';
import type { HubLatency } from './dps/allocation.ts';
import type { DpsLimits } from './dps/dps-limits.ts';
import type { ProvisioningServiceView } from './emulator-view.ts';
import type { EmulatorFaults } from './faults/fault-registry.ts';
import { layGround } from './ground.ts';
import type { QuotaMode } from './hub/hub-quotas.ts';
import type { IotHub } from './hub/iot-hub.ts';
import { openWorlds } from './worlds.ts';

/** Options of {@link startAzureIot}. */
export interface StartAzureIotOptions {
  /** Port of the devices' names; default the data folder's, else 0, which picks a free one. Azure's is 8883. */
  readonly mqttPort?: number;
  /** Port of Entra ID, Resource Manager and the service planes; default the data folder's, else 0. */
  readonly httpsPort?: number;
  /** Address that both ports listen on; default 127.0.0.1. Any other than loopback is logged with a warning. */
  readonly host?: string;
  /**
   * Host names that the emulator says. `local` (default): names under .localhost with the ports behind them. `azure`:
   * Microsoft's own without ports, for programs that a hosts entry or `azure-iot-emulator exec` leads here. Both kinds
   * are served either way.
   */
  readonly names?: 'local' | 'azure';
  /** Where `cloud.json` is written; default: nowhere. */
  readonly folder?: string;
  /**
   * Unix milliseconds; default `Date.now`. What the emulator judges and writes follows it. Its server certificate is good
   * by this and by the system's clock, which clients go by, and renewed before it ends.
   */
  readonly now?: () => number;
  /**
   * Where everything is kept: what exists, what devices sent, keys, and who the emulator is to its clients. A write is on
   * the disk before it is acknowledged. Default: in memory, for as long as the emulator runs.
   */
  readonly dataFolder?: string;
  /** Where snapshots lie as `{name}.json`; default `snapshots` in the data folder, or else in `folder`. */
  readonly snapshotFolder?: string;
  /** What is to exist at the start: a {@link Seed}, or the path of a JSON file that holds one. */
  readonly seed?: Seed | string;
  /** Where the emulator's clock is set to at the start; default: where the data folder left it, else the system's time. */
  readonly time?: Date | number;
  /** Ports where neither an option nor the data folder says any; default free ones. */
  readonly defaultPorts?: { readonly mqtt: number; readonly https: number };
  /** True lets keep-alives of connections go by the emulator's clock instead of the system's. Default false. */
  readonly keepAliveFollowsClock?: boolean;
  /** What Azure leaves open and the emulator had to decide; each can be decided otherwise. */
  readonly assumptions?: AzureIotAssumptionChanges;
  /** Gets a line for each thing that was refused, with the reason that Azure keeps to itself. Default: nothing is logged. */
  readonly log?: (line: string) => void;
  /** Gets a line in plain words for each MQTT packet and HTTP request; never a secret. Default: nothing is traced. */
  readonly trace?: (line: string) => void;
  /**
   * Whether hubs keep to the quotas and throttles of their SKU and units, by the emulator's clock: a burst passes, then
   * requests are slowed, then refused with 429. Default `off`.
   */
  readonly quotas?: QuotaMode;
  /** What a registering device is told to wait before it polls, in seconds; default 0. Azure says 3. */
  readonly registrationRetryAfterSeconds?: number;
  /**
   * What a DPS instance takes; default: five polls of a device in ten seconds, and no other limit. `documented` is what
   * Microsoft's documents say of 2026.
   */
  readonly dpsLimits?: Partial<DpsLimits> | 'documented';
  /** For allocation by lowest latency; default: none is known, and the first hub is taken. */
  readonly hubLatencyMs?: HubLatency;
  /** Polls of a Resource Manager operation answered `Running` before `Succeeded`; default 0. Azure: 0 to 4 and more. */
  readonly operationPolls?: number;
  /** `Retry-After` of Resource Manager operations in seconds; default 1. `'as-recorded'`: 15 on DELETE, none on PUT. */
  readonly operationRetryAfterSeconds?: number | 'as-recorded';
}

/** A local Azure for devices, running. */
export interface AzureIotEmulator {
  /** Where its planes are; holds the service principal's secret. */
  readonly cloud: EmulatorCloud;
  /** Absolute path of the cloud as a file; undefined without a folder. */
  readonly cloudFile: string | undefined;
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** @throws {EmulatorError} ERR_EMULATOR_HUB_MISSING */
  hub(name: string): IotHub;
  /** @throws {EmulatorError} ERR_EMULATOR_DPS_MISSING */
  dps(name: string): ProvisioningServiceView;
  /** The time that the emulator judges by. */
  readonly clock: EmulatorClock;
  /** What goes wrong on request. */
  readonly faults: EmulatorFaults;
  /** States of the emulator by name. A hub or view from before a state was loaded is of no use any more. */
  readonly snapshots: EmulatorSnapshots;
  /** Makes what a seed says exist; what is as it says stays as it is. @throws {EmulatorError} ERR_EMULATOR_SEED */
  seed(seed: Seed | string): Promise<SeedReport>;
  /** Deletes everything but who the emulator is to its clients, and ends every fault. */
  reset(): Promise<void>;
  /** Resolves when everything that has changed up to now is on the disk. */
  saved(): Promise<void>;
  /** Ends every connection and frees both ports. The cloud file stays; its secret is worth nothing any more. */
  close(): Promise<void>;
}

/**
 * Starts Entra ID, Resource Manager, DPS and IoT Hub on two ports of 127.0.0.1. Both ports serve everything; requests go
 * by host name. Nothing exists at first but what was kept or seeded, a subscription and a service principal that owns it.
 *
 * @throws {EmulatorError} ERR_EMULATOR_PORT_TAKEN, ERR_EMULATOR_PORT_REFUSED, ERR_EMULATOR_FOLDER, ERR_EMULATOR_DATA,
 *   ERR_EMULATOR_DATA_HELD, ERR_EMULATOR_SEED; nothing is left running
 */
export async function startAzureIot(options: StartAzureIotOptions = {}): Promise<AzureIotEmulator> {
  const store = new Store(options.dataFolder === undefined ? undefined : openLibsqlEngine(options.dataFolder));
  const closing: (() => void | Promise<void>)[] = [() => store.close()];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const ground = await layGround(store, options);
    closing.push(() => ground.doors.close());
    const worlds = await openWorlds(ground, options);
    closing.push(() => worlds.close());
    if (options.seed !== undefined) await worlds.seed(options.seed);
    await store.committed();
    const cloudFile = options.folder === undefined ? undefined : await writeCloudFile(options.folder, ground.cloud);
    const { cloud, clock, faults } = ground;
    return {
      cloud,
      cloudFile,
      mqttPort: cloud.ports.mqtt,
      httpsPort: cloud.ports.https,
      subscriptionId: cloud.subscriptionId,
      ...cloud.servicePrincipal,
      clock,
      faults,
      ...worlds,
      saved: async () => store.committed(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
