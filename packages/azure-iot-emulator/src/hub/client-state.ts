import { ObservedMap } from '../data/observed-map.ts';
import type { QueuedMessage } from './cloud-to-device.ts';
import type { DeviceIdentity } from './device-identity.ts';
import type { ClientIdentity, Device, HubClient, Module, Subscriptions } from './hub-client.ts';
import { MessageQueue, type MessageQueueOptions } from './message-queue.ts';
import type { ModuleIdentity } from './module-identity.ts';

/** A device or module as it is stored: what it is without its connection. */
export interface ClientState<Identity extends ClientIdentity = ClientIdentity> {
  readonly identity: Identity;
  readonly twin: HubClient['twin'];
  readonly messages?: readonly QueuedMessage[];
  readonly keptSubscriptions?: Subscriptions | undefined;
  readonly connectionStateUpdatedMs?: number | undefined;
  readonly lastActivityMs?: number | undefined;
}

/** A device as it is stored, with its modules. */
export interface DeviceState extends ClientState<DeviceIdentity> {
  readonly modules?: readonly ClientState<ModuleIdentity>[];
}

export function deviceState(device: Device): DeviceState {
  return { ...clientState(device), modules: [...device.modules.values()].map(clientState) };
}

function clientState<Identity extends ClientIdentity>(client: HubClient<Identity>): ClientState<Identity> {
  const { identity, twin, messages, keptSubscriptions, connectionStateUpdatedMs, lastActivityMs } = client;
  return { identity, twin, messages: messages.list(), keptSubscriptions, connectionStateUpdatedMs, lastActivityMs };
}

/** What a client is opened with. */
export type OpenOptions = Omit<MessageQueueOptions, 'messages' | 'onChanged'> & { readonly onChanged: () => void };

/**
 * A device or module that tells of every change by itself. The time of its last activity is none: it changes with each
 * message, and is written with the next change.
 */
class OpenClient<Identity extends ClientIdentity> implements HubClient<Identity> {
  readonly messages: MessageQueue;
  session: HubClient['session'] = undefined;
  connectionStateUpdatedMs: number | undefined;
  readonly #onChanged: () => void;
  #identity: Identity;
  #twin: HubClient['twin'];
  #kept: Subscriptions | undefined;
  #lastActivityMs: number | undefined;

  constructor(state: ClientState<Identity>, { onChanged, ...queue }: OpenOptions) {
    this.#onChanged = onChanged;
    this.#identity = state.identity;
    this.#twin = state.twin;
    this.#kept = state.keptSubscriptions && new ObservedMap(state.keptSubscriptions, onChanged);
    this.#lastActivityMs = state.lastActivityMs;
    this.connectionStateUpdatedMs = state.connectionStateUpdatedMs;
    this.messages = new MessageQueue({ ...queue, messages: state.messages ?? [], onChanged });
  }

  get identity(): Identity {
    return this.#identity;
  }

  set identity(value: Identity) {
    this.#identity = value;
    this.#onChanged();
  }

  get twin(): HubClient['twin'] {
    return this.#twin;
  }

  set twin(value: HubClient['twin']) {
    this.#twin = value;
    this.#onChanged();
  }

  get keptSubscriptions(): Subscriptions | undefined {
    return this.#kept;
  }

  set keptSubscriptions(value: Subscriptions | undefined) {
    this.#kept = value && new ObservedMap(value, this.#onChanged);
    this.#onChanged();
  }

  get lastActivityMs(): number | undefined {
    return this.session?.lastActivityMs ?? this.#lastActivityMs;
  }

  set lastActivityMs(value: number | undefined) {
    this.#lastActivityMs = value;
  }
}

/** A device that is there. */
export class OpenDevice extends OpenClient<DeviceIdentity> implements Device {
  readonly modules: Map<string, Module>;

  constructor(state: DeviceState, options: OpenOptions) {
    super(state, options);
    this.modules = new ObservedMap<string, Module>([], options.onChanged);
  }
}

/** A module of a device that is there. */
export class OpenModule extends OpenClient<ModuleIdentity> implements Module {
  readonly device: Device;

  constructor(device: Device, state: ClientState<ModuleIdentity>, options: OpenOptions) {
    super(state, options);
    this.device = device;
  }
}
