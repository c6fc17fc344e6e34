import { join } from 'node:path';
import { createControl } from './control/control.ts';
import { applySeed } from './data/apply-seed.ts';
import type { Seed, SeedReport } from './data/seed.ts';
import { createSnapshots, type EmulatorSnapshots, type Snapshot, snapshotFormat } from './data/snapshots.ts';
import type { StoredEntity } from './data/storage-engine.ts';
import { type ProvisioningServiceView, viewProvisioningService } from './emulator-view.ts';
import { EmulatorError } from './errors.ts';
import { withHttpFaults } from './faults/faulty-http.ts';
import { MqttFaults } from './faults/mqtt-faults.ts';
import { letFaultsStand } from './faults/standing-faults.ts';
import type { Ground } from './ground.ts';
import { isEmulatorsOwn } from './host-dispatch.ts';
import type { IotHub } from './hub/iot-hub.ts';
import type { JsonObject } from './hub/json.ts';
import type { StartAzureIotOptions } from './start.ts';
import { openWorld, type World } from './world.ts';

/** What a user reaches of the state that is there now. */
export interface WorldsApi {
  hub(name: string): IotHub;
  dps(name: string): ProvisioningServiceView;
  readonly snapshots: EmulatorSnapshots;
  seed(seed: Seed | string): Promise<SeedReport>;
  reset(): Promise<void>;
}

/** One state of the emulator after the other, each behind the same doors. */
export interface Worlds extends WorldsApi {
  close(): Promise<void>;
}

const place = 'world';

/** Opens the state that the store holds. */
export async function openWorlds(ground: Ground, options: StartAzureIotOptions): Promise<Worlds> {
  const succession = new Succession(ground, options);
  await succession.open();
  const { dataFolder, folder } = options;
  const parent = dataFolder ?? folder;
  const api: WorldsApi = {
    hub: (name) => succession.hub(name),
    dps: (name) => succession.dps(name),
    snapshots: createSnapshots({
      folder: options.snapshotFolder ?? (parent === undefined ? undefined : join(parent, 'snapshots')),
      take: () => succession.take(),
      restore: (snapshot) => succession.restore(snapshot),
    }),
    seed: (seed) => succession.seed(seed),
    reset: () => succession.reset(),
  };
  const control = await createControl({ ...api, ground, management: () => succession.world.management });
  ground.doors.setHttpHandler((request, response) => {
    if (isEmulatorsOwn(request.headers.host ?? '', request.url ?? '/')) control.handle(request, response);
    else succession.handle(request, response);
  });
  return {
    ...api,
    close: async () => {
      ground.store.seal();
      await succession.world.close();
      await control.close();
    },
  };
}

class Succession {
  readonly handle: ReturnType<typeof withHttpFaults>;
  readonly #ground: Ground;
  readonly #options: StartAzureIotOptions;
  readonly #mqttFaults: MqttFaults;
  #world: World | undefined;
  #sown = new Map<string, string>();

  constructor(ground: Ground, options: StartAzureIotOptions) {
    this.#ground = ground;
    this.#options = options;
    const { faults, clock } = ground;
    const dpsOfScope = (idScope: string): string | undefined =>
      this.#world?.management.instances.findByIdScope(idScope)?.name;
    const faultOptions = { faults, dpsOfScope, now: clock.now, startTimer: clock.startTimer, log: ground.log };
    this.#mqttFaults = new MqttFaults(faultOptions);
    this.handle = withHttpFaults((request, response) => {
      if (this.#world) this.#world.planes.handle(request, response);
      else response.writeHead(503, { 'Retry-After': '1' }).end();
    }, faultOptions);
    letFaultsStand({ faults, clock, management: () => this.world.management });
  }

  /** @throws {EmulatorError} ERR_EMULATOR_REQUEST while one state follows another */
  get world(): World {
    if (this.#world) return this.#world;
    throw new EmulatorError('ERR_EMULATOR_REQUEST', 'The emulator is loading another state; wait for its end.');
  }

  async open(): Promise<void> {
    const { store, doors } = this.#ground;
    this.#sown = store.shelf(`${place}/seed`).map<string>('sown');
    this.#world = await openWorld(this.#ground, store.shelf(place), this.#options);
    doors.mqttServices.push(...this.#world.mqttServices.map((service) => this.#mqttFaults.wrap(service)));
  }

  hub(name: string): IotHub {
    const resource = this.world.management.iotHubs.findByName(name);
    if (resource !== undefined) return resource.hub;
    throw missing('ERR_EMULATOR_HUB_MISSING', 'IoT Hub', name);
  }

  dps(name: string): ProvisioningServiceView {
    const service = this.world.management.provisioningServices.findByName(name);
    if (service !== undefined) return viewProvisioningService(service.instance);
    throw missing('ERR_EMULATOR_DPS_MISSING', 'Device Provisioning Service', name);
  }

  take(): Snapshot {
    const { store, cloud, clock } = this.#ground;
    const collections: Record<string, Record<string, JsonObject>> = {};
    for (const { collection, key, value } of store.dump()) {
      if (!collection.startsWith(`${place}/`)) continue;
      const name = collection.slice(place.length + 1);
      (collections[name] ??= {})[key] = JSON.parse(value) as JsonObject;
    }
    return { format: snapshotFormat, takenAt: new Date(clock.nowMs).toISOString(), ports: cloud.ports, collections };
  }

  restore({ ports, collections }: Snapshot): Promise<void> {
    const { ports: own } = this.#ground.cloud;
    // Host names in the state carry the ports of the emulator that it was taken from.
    const moved = (text: string): string =>
      text.replace(/(\.localhost:)(\d+)\b/g, (name, host: string, port: string) =>
        Number(port) === ports.mqtt
          ? `${host}${own.mqtt}`
          : Number(port) === ports.https
            ? `${host}${own.https}`
            : name,
      );
    const entities = Object.entries(collections).flatMap(([name, entries]) =>
      Object.entries(entries).map(([key, value]) => ({
        collection: `${place}/${name}`,
        key,
        value: moved(JSON.stringify(value)),
      })),
    );
    return this.#replace(entities);
  }

  async seed(seed: Seed | string): Promise<SeedReport> {
    const { cloud, store } = this.#ground;
    const { planes, tokenFor, management } = this.world;
    const report = await applySeed(
      {
        cloud,
        planes,
        tokenFor,
        hub: (name) => management.iotHubs.findByName(name)?.hub,
        sown: this.#sown,
      },
      seed,
    );
    await store.committed();
    return report;
  }

  async reset(): Promise<void> {
    this.#ground.faults.clear();
    await this.#replace([]);
  }

  async #replace(entities: readonly StoredEntity[]): Promise<void> {
    const { store, doors } = this.#ground;
    const old = this.world;
    this.#world = undefined;
    doors.mqttServices.splice(0);
    await old.close();
    store.replace(`${place}/`, entities);
    await this.open();
    await store.committed();
  }
}

function missing(
  code: 'ERR_EMULATOR_HUB_MISSING' | 'ERR_EMULATOR_DPS_MISSING',
  what: string,
  name: string,
): EmulatorError {
  return new EmulatorError(code, `There is no ${what} '${name}'; create it through Resource Manager first.`);
}
