import type { ProvisioningDirectory } from '../dps/provisioning-instance.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import type { IotHubResource } from './iot-hub-resource.ts';
import { Operations } from './operations.ts';
import type { ProvisioningHosts, ProvisioningService } from './provisioning-service.ts';
import { ResourceGroups } from './resource-groups.ts';
import { Resources, stateOf, type Resource } from './resource.ts';

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
  /** Gets one line for each thing that a hub refuses a device. */
  readonly log: (line: string) => void;
}

/** What exists in the emulator's one subscription; the other planes find their hubs and DPS instances here. */
export class ManagementPlane {
  readonly options: ManagementPlaneOptions;
  readonly groups = new ResourceGroups();
  readonly operations: Operations;
  // Where the counters of recorded ETags stood; any start will do.
  readonly provisioningServices = new Resources<ProvisioningService>('provisioningServices', 0x0d_de_cf_00);
  readonly iotHubs = new Resources<IotHubResource>('IotHubs', 0x0c_4a_11_00);

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
    this.operations = new Operations(options.operationPolls);
  }

  /** Deletes a group with all that is in it. */
  deleteGroup(name: string): void {
    for (const service of this.provisioningServices.list(name)) this.provisioningServices.remove(service);
    for (const resource of this.iotHubs.list(name)) this.deleteHub(resource);
    this.groups.delete(name);
  }

  /** Deletes a hub and ends its connections. */
  deleteHub(resource: IotHubResource): void {
    this.iotHubs.remove(resource);
    resource.hub.close();
  }

  /** Ends every connection of every hub. */
  close(): void {
    for (const { hub } of this.iotHubs.list()) hub.close();
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

function isUsable(resource: Resource): boolean {
  const state = stateOf(resource);
  return state === 'Active' || state === 'Transitioning';
}
