import { type Device } from './device.ts';
import { createIdentity, type DeviceIdentity, updateIdentity } from './device-identity.ts';
import { checkIdentityEtag, type Precondition } from './entity-tag.ts';
import { HubError } from './hub-error.ts';
import type { JsonObject } from './json.ts';
import { createTwin, type TwinContent } from './twin.ts';
import { MessageQueue } from './message-queue.ts';
import type { MessageOutcome, QueuedMessage } from './cloud-to-device.ts';

/** Options of {@link DeviceRegistry}. */
export interface DeviceRegistryOptions {
  readonly now: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly onMessageSettled: (identity: DeviceIdentity, message: QueuedMessage, outcome: MessageOutcome) => void;
}

/** How many devices there are ("GET /statistics/devices"). */
export interface RegistryStatistics {
  readonly totalDeviceCount: number;
  readonly enabledDeviceCount: number;
  readonly disabledDeviceCount: number;
}

/** A hub's device identities; case-sensitive, in order of creation. */
export class DeviceRegistry {
  readonly #options: DeviceRegistryOptions;
  readonly #devices = new Map<string, Device>();

  constructor(options: DeviceRegistryOptions) {
    this.#options = options;
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

  all(): Device[] {
    return [...this.#devices.values()];
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
    const nowMs = this.#options.now();
    const device: Device = {
      identity: createIdentity(deviceId, request, { nowMs, randomBytes: this.#options.randomBytes }),
      twin: createTwin(nowMs, twin),
      messages: new MessageQueue((message, outcome) =>
        this.#options.onMessageSettled(device.identity, message, outcome),
      ),
      session: undefined,
      keptSubscriptions: undefined,
      connectionStateUpdatedMs: undefined,
      lastActivityMs: undefined,
    };
    this.#devices.set(deviceId, device);
    return device;
  }

  /** A device that is disabled loses its connection. @throws {HubError} ArgumentInvalid */
  update(device: Device, request: JsonObject): Device {
    const { now, randomBytes } = this.#options;
    device.identity = updateIdentity(device.identity, request, { nowMs: now(), randomBytes });
    if (device.identity.status === 'disabled') device.session?.close('the device was disabled');
    return device;
  }

  /** The device loses its connection, its twin and its queue. @throws {HubError} DeviceNotFound, PreconditionFailed */
  delete(deviceId: string, precondition: Precondition): void {
    const device = this.require(deviceId);
    checkIdentityEtag(precondition, device.identity.etag);
    this.#devices.delete(deviceId);
    device.session?.close('the device was deleted');
  }
}
