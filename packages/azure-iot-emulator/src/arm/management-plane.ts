import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { DpsLimits } from '../dps/dps-limits.ts';
import type { ProvisioningDirectory } from '../dps/provisioning-instance.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';
import { type ArmAssumptions, defaultArmAssumptions } from './arm-assumptions.ts';
import { type HubOptions, type IotHubResource, restoreIotHub } from './iot-hub-resource.ts';
import { type OperationTask, Operations } from './operations.ts';
import { type InstanceOptions, type ProvisioningService, restoreProvisioningService } from './provisioning-service.ts';
import type { ProvisioningHosts } from './provisioning-service-json.ts';
import { ResourceGroups } from './resource-groups.ts';
import { Resources, type ResourceState, stateOf, type Resource } from './resource.ts';

/** Options of {@link ManagementPlane}. */
export interface ManagementPlaneOptions {
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly hosts: ProvisioningHosts & {
    /** What follows `{name}.` in a hub's host name: `azure-devices.localhost:8883`. */
    readonly hubSuffix: string;
  };
  /** Polls of a long-running operation that are answered `Running` before `Succeeded`. */
  readonly operationPolls: number;
  /** `Retry-After` of long-running operations in seconds; undefined for what Azure was recorded to send. */
  readonly operationRetryAfterSeconds: number | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Default: {@link defaultArmAssumptions}. */
  readonly assumptions?: ArmAssumptions;
  /** Default: {@link defaultDpsLimits}. */
  readonly dpsLimits?: DpsLimits;
  /** What every hub is opened with beyond its own. */
  readonly hubSettings?: Pick<HubOptions, 'assumptions' | 'quotas'>;
  /** Default: the system's timers. */
  readonly startTimer?: StartTimer;
  /** What the plane keeps; default: everything in memory alone. */
  readonly shelf?: Shelf;
  /** Gets one line for each thing that a hub refuses a device. */
  readonly log: (line: string) => void;
}

/** What exists in the emulator's one subscription; the other planes find their hubs and DPS instances here. */
export class ManagementPlane {
  readonly options: ManagementPlaneOptions;
  readonly assumptions: ArmAssumptions;
  readonly groups: ResourceGroups;
  readonly operations: Operations;
  readonly provisioningServices: Resources<ProvisioningService>;
  readonly iotHubs: Resources<IotHubResource>;
  readonly #shelf: Shelf;

  readonly hubs: HubDirectory = {
    findByHostName: (hostName) => this.#usableHubs().find((hub) => hub.answersTo(hostName)),
  };

  readonly instances: ProvisioningDirectory = {
    findByIdScope: (idScope) => this.#usableInstances().find((instance) => instance.idScope === idScope),
    findByHostName: (hostName) => {
      const [, name] = /^([^.]+)\.azure-devices-provisioning\.[a-z]+(?::\d+)?$/i.exec(hostName) ?? [];
      return this.#usableInstances().find((instance) => instance.name.toLowerCase() === name?.toLowerCase());
    },
  };

  constructor(options: ManagementPlaneOptions) {
    this.options = options;
    this.assumptions = options.assumptions ?? defaultArmAssumptions;
    this.#shelf = options.shelf ?? looseShelf();
    this.operations = new Operations({
      looks: options.operationPolls,
      shelf: this.#shelf,
      finish: (task) => this.#finish(task),
    });
    this.groups = new ResourceGroups(this.#shelf);
    // Where the counters of recorded ETags stood; any start will do.
    this.iotHubs = new Resources<IotHubResource>({
      type: 'IotHubs',
      firstEtag: 0x0c_4a_11_00,
      shelf: this.#shelf.shelf('hubs'),
      codec: {
        encode: resourceState,
        decode: (state) => this.#restore(state, this.hubOptions, restoreIotHub),
      },
    });
    this.provisioningServices = new Resources<ProvisioningService>({
      type: 'provisioningServices',
      firstEtag: 0x0d_de_cf_00,
      shelf: this.#shelf.shelf('provisioningServices'),
      codec: {
        encode: resourceState,
        decode: (state) => this.#restore(state, this.instanceOptions, restoreProvisioningService),
      },
    });
  }

  /** What a hub of this plane is opened with. */
  readonly hubOptions = (name: string): HubOptions => {
    const { now, startTimer, log, hosts, hubSettings } = this.options;
    return {
      ...hubSettings,
      hostName: `${name}.${hosts.hubSuffix}`,
      now,
      log,
      ...(startTimer && { startTimer, startWaitTimer: startSystemTimer }),
      expiredProof: this.assumptions.expiredProof,
      shelf: this.#hubShelf(name),
    };
  };

  /** What a DPS of this plane is opened with. */
  readonly instanceOptions = (name: string): InstanceOptions => ({
    now: this.options.now,
    assumptions: this.assumptions,
    ...(this.options.dpsLimits && { limits: this.options.dpsLimits }),
    shelf: this.#instanceShelf(name),
  });

  /** Ends every connection of every hub. */
  close(): void {
    for (const { hub } of this.iotHubs.list()) hub.close();
  }

  #finish(task: OperationTask): void {
    if (task.do === 'deleteGroup') {
      for (const service of this.provisioningServices.list(task.name)) this.#deleteProvisioningService(service);
      for (const resource of this.iotHubs.list(task.name)) this.#deleteHub(resource);
      this.groups.delete(task.name);
      return;
    }
    const { type, name } = task;
    const service = type === 'provisioningServices' ? this.provisioningServices.findByName(name) : undefined;
    const resource = type === 'IotHubs' ? this.iotHubs.findByName(name) : undefined;
    if (service) this.#deleteProvisioningService(service);
    if (resource) this.#deleteHub(resource);
  }

  /** Ends the hub's connections. */
  #deleteHub(resource: IotHubResource): void {
    this.iotHubs.remove(resource);
    resource.hub.close();
    this.#hubShelf(resource.address.name).drop();
  }

  /** Its enrollments and records go with it. */
  #deleteProvisioningService(service: ProvisioningService): void {
    this.provisioningServices.remove(service);
    this.#instanceShelf(service.address.name).drop();
  }

  #hubShelf(name: string): Shelf {
    return this.#shelf.shelf(`hubs/${name.toLowerCase()}`);
  }

  #instanceShelf(name: string): Shelf {
    return this.#shelf.shelf(`provisioningServices/${name.toLowerCase()}`);
  }

  #restore<Item extends Resource, Options>(
    stored: unknown,
    optionsOf: (name: string) => Options,
    restore: (state: ResourceState<Item>, options: Options) => Item,
  ): Item {
    const state = stored as ResourceState<Item>;
    // A snapshot may come from another emulator's subscription.
    const address = { ...state.address, subscriptionId: this.options.subscriptionId };
    const item = restore({ ...state, address }, optionsOf(address.name));
    const { kind, operationId } = state.pending ?? {};
    const operation = operationId === undefined ? undefined : this.operations.find(operationId);
    item.pending = kind && operation && !operation.isDone ? { kind, operation } : undefined;
    return item;
  }

  #usableHubs(): readonly IotHub[] {
    return this.iotHubs
      .list()
      .filter(isUsable)
      .map(({ hub }) => hub);
  }

  #usableInstances() {
    return this.provisioningServices
      .list()
      .filter(isUsable)
      .map(({ instance }) => instance);
  }
}

/** Everything but what has a place of its own. */
function resourceState({ pending, ...resource }: IotHubResource | ProvisioningService): unknown {
  const omitted = ['hub', 'instance', 'certificates'];
  return {
    ...Object.fromEntries(Object.entries(resource).filter(([name]) => !omitted.includes(name))),
    ...(pending && { pending: { kind: pending.kind, operationId: pending.operation.id } }),
  };
}

function isUsable(resource: Resource): boolean {
  const state = stateOf(resource);
  return state === 'Active' || state === 'Transitioning';
}
