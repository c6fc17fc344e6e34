import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import {
  type ClientState,
  type DeviceState,
  deviceState,
  OpenDevice,
  OpenModule,
  type OpenOptions,
} from './client-state.ts';
import type { MessageOutcome, QueuedMessage } from './cloud-to-device.ts';
import { createIdentity, type IdentitySources, updateIdentity } from './device-identity.ts';
import { checkIdentityEtag, type Precondition } from './entity-tag.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import type { ClientIdentity, ClientName, Device, HubClient, Module } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import type { JsonObject } from './json.ts';
import { createModuleIdentity, type ModuleIdentity, updateModuleIdentity } from './module-identity.ts';
import { createTwin, type TwinContent } from './twin.ts';

/** Options of {@link DeviceRegistry}. */
export interface DeviceRegistryOptions {
  readonly now: () => number;
  readonly startTimer: StartTimer;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly assumptions: HubAssumptions;
  /** Default: the devices are kept in memory alone. */
  readonly shelf?: Shelf;
  /** Called where a device is to be an IoT Edge one. @throws {HubError} it may not */
  readonly checkEdge: () => void;
  readonly onMessageSettled: (identity: ClientIdentity, message: QueuedMessage, outcome: MessageOutcome) => void;
}

/** How many devices there are ("GET /statistics/devices"). */
export interface RegistryStatistics {
  readonly totalDeviceCount: number;
  readonly enabledDeviceCount: number;
  readonly disabledDeviceCount: number;
}

/** "Understand module twins": up to 50 module identities; IoT Edge's own come in addition ("Deploy modules"). */
const mostModules = 50;

/** Modules of IoT Edge's runtime, which every IoT Edge device has from its creation ("IoT Edge runtime"). */
const edgeModules = ['$edgeAgent', '$edgeHub'];

/** A hub's device and module identities; case-sensitive, in order of creation. */
export class DeviceRegistry {
  readonly #options: DeviceRegistryOptions;
  readonly #devices: StoredMap<Device>;

  constructor(options: DeviceRegistryOptions) {
    this.#options = options;
    this.#devices = (options.shelf ?? looseShelf()).map('devices', {
      encode: deviceState,
      decode: (state) => this.#openDevice(state as DeviceState),
    });
  }

  get(deviceId: string): Device | undefined {
    return this.#devices.get(deviceId);
  }

  /** @throws {HubError} DeviceNotFound */
  require(deviceId: string): Device {
    const device = this.#devices.get(deviceId);
    if (!device) throw new HubError('DeviceNotFound', { text: deviceId });
    return device;
  }

  /** A device or a module. */
  find(name: ClientName): Device | Module | undefined {
    if (typeof name === 'string') return this.#devices.get(name);
    return this.#devices.get(name.deviceId)?.modules.get(name.moduleId);
  }

  /** @throws {HubError} DeviceNotFound, ModuleNotFound */
  requireClient(name: ClientName): Device | Module {
    if (typeof name === 'string') return this.require(name);
    const module = this.require(name.deviceId).modules.get(name.moduleId);
    if (!module) throw new HubError('ModuleNotFound', { text: `${name.deviceId}/${name.moduleId}` });
    return module;
  }

  all(): Device[] {
    return [...this.#devices.values()];
  }

  allModules(): Module[] {
    return this.all().flatMap(({ modules }) => [...modules.values()]);
  }

  statistics(): RegistryStatistics {
    const totalDeviceCount = this.#devices.size;
    const enabledDeviceCount = this.all().filter(({ identity }) => identity.status === 'enabled').length;
    return { totalDeviceCount, enabledDeviceCount, disabledDeviceCount: totalDeviceCount - enabledDeviceCount };
  }

  /**
   * PUT of an identity: without a precondition it creates, with one it changes.
   *
   * @throws {HubError} DeviceAlreadyExists, DeviceNotFound, PreconditionFailed, ArgumentInvalid
   */
  put(deviceId: string, request: JsonObject, precondition: Precondition): Device {
    if (precondition === 'none') return this.create(deviceId, request);
    const device = this.require(deviceId);
    checkIdentityEtag(precondition, device.identity.etag);
    return this.update(device, request);
  }

  /** @throws {HubError} DeviceAlreadyExists, ArgumentInvalid */
  create(deviceId: string, request: JsonObject, twin: TwinContent = {}): Device {
    if (this.#devices.has(deviceId)) throw new HubError('DeviceAlreadyExists');
    const identity = createIdentity(deviceId, request, this.#sources());
    if (identity.capabilities.iotEdge) this.#options.checkEdge();
    const device = this.#openDevice({ identity, twin: createTwin(this.#options.now(), twin) });
    this.#devices.set(deviceId, device);
    if (identity.capabilities.iotEdge) this.#addEdgeModules(deviceId);
    return device;
  }

  /** A device that is disabled loses its connection. @throws {HubError} ArgumentInvalid */
  update(device: Device, request: JsonObject): Device {
    const identity = updateIdentity(device.identity, request, this.#sources());
    const becomesEdge = identity.capabilities.iotEdge && !device.identity.capabilities.iotEdge;
    if (becomesEdge) this.#options.checkEdge();
    device.identity = identity;
    if (becomesEdge) this.#addEdgeModules(identity.deviceId);
    if (device.identity.status === 'disabled') this.#revoke(device, 'the device was disabled');
    return device;
  }

  /** The device loses its connection, its twin, its queue and its modules. @throws {HubError} DeviceNotFound, PreconditionFailed */
  delete(deviceId: string, precondition: Precondition): void {
    const device = this.require(deviceId);
    checkIdentityEtag(precondition, device.identity.etag);
    this.#devices.delete(deviceId);
    this.#revoke(device, 'the device was deleted');
    for (const client of [device, ...device.modules.values()]) client.messages.discard();
  }

  /**
   * PUT of a module's identity, as {@link put}; says whether it is new.
   *
   * @throws {HubError} ModuleAlreadyExistsOnDevice, TooManyModulesOnDevice, DeviceNotFound, ModuleNotFound,
   *   PreconditionFailed, ArgumentInvalid
   */
  putModule(
    name: { readonly deviceId: string; readonly moduleId: string },
    request: JsonObject,
    precondition: Precondition,
  ): { readonly module: Module; readonly isNew: boolean } {
    if (precondition === 'none') return { module: this.createModule(name, request), isNew: true };
    const module = this.requireModule(name);
    checkIdentityEtag(precondition, module.identity.etag);
    module.identity = updateModuleIdentity(module.identity, request, this.#sources());
    return { module, isNew: false };
  }

  /** @throws {HubError} ModuleAlreadyExistsOnDevice, TooManyModulesOnDevice, DeviceNotFound, ArgumentInvalid */
  createModule(
    name: { readonly deviceId: string; readonly moduleId: string },
    request: JsonObject,
    twin: TwinContent = {},
  ): Module {
    const device = this.require(name.deviceId);
    if (device.modules.has(name.moduleId)) throw new HubError('ModuleAlreadyExistsOnDevice');
    const own = [...device.modules.keys()].filter((moduleId) => !edgeModules.includes(moduleId));
    if (own.length >= mostModules && !edgeModules.includes(name.moduleId)) throw new HubError('TooManyModulesOnDevice');
    const identity = createModuleIdentity(name, request, this.#sources());
    const module = this.#openModule({ identity, twin: createTwin(this.#options.now(), twin) }, device);
    device.modules.set(name.moduleId, module);
    return module;
  }

  /** @throws {HubError} DeviceNotFound, ModuleNotFound, PreconditionFailed */
  deleteModule(name: { readonly deviceId: string; readonly moduleId: string }, precondition: Precondition): void {
    const module = this.requireModule(name);
    checkIdentityEtag(precondition, module.identity.etag);
    module.device.modules.delete(name.moduleId);
    if (this.#options.assumptions.revokedIdentity === 'disconnect') module.session?.close('the module was deleted');
    module.messages.discard();
  }

  /** @throws {HubError} DeviceNotFound, ModuleNotFound */
  requireModule(name: { readonly deviceId: string; readonly moduleId: string }): Module {
    return this.requireClient(name) as Module;
  }

  #addEdgeModules(deviceId: string): void {
    const { modules } = this.require(deviceId);
    for (const moduleId of edgeModules) {
      if (!modules.has(moduleId)) this.createModule({ deviceId, moduleId }, {});
    }
  }

  #revoke(device: Device, reason: string): void {
    if (this.#options.assumptions.revokedIdentity === 'keep') return;
    for (const { session } of [device, ...device.modules.values()]) session?.close(reason);
  }

  #sources(): IdentitySources {
    return { nowMs: this.#options.now(), randomBytes: this.#options.randomBytes };
  }

  #openDevice({ modules = [], ...state }: DeviceState): Device {
    const device: Device = new OpenDevice(
      state,
      this.#openOptions(state.identity, () => device),
    );
    for (const module of modules) device.modules.set(module.identity.moduleId, this.#openModule(module, device));
    return device;
  }

  #openModule(state: ClientState<ModuleIdentity>, device: Device): Module {
    const module: Module = new OpenModule(
      device,
      state,
      this.#openOptions(state.identity, () => module),
    );
    return module;
  }

  #openOptions({ deviceId }: ClientIdentity, self: () => HubClient): OpenOptions {
    const { now, startTimer, assumptions, onMessageSettled } = this.#options;
    return {
      now,
      startTimer,
      locksExpire: assumptions.expiredLock === 'redeliver',
      onSettled: (message, outcome) => onMessageSettled(self().identity, message, outcome),
      onAvailable: () => self().session?.deliverMessages(),
      onChanged: () => this.#devices.touch(deviceId),
    };
  }
}
