import { ObservedMap } from '../data/observed-map.ts';
import type { QueuedMessage } from './cloud-to-device.ts';
import type { DeviceIdentity } from './device-identity.ts';
import type { ClientIdentity, Device, HubClient, Subscriptions } from './hub-client.ts';
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

/**
 * A device or module that tells of every change by itself. The time of its last activity is none: it changes with each
 * message, and is written with the next change.
 */
export function openClient<Identity extends ClientIdentity>(
  state: ClientState<Identity>,
  { onChanged, ...queue }: Omit<MessageQueueOptions, 'messages' | 'onChanged'> & { readonly onChanged: () => void },
): HubClient<Identity> {
  let { identity, twin, lastActivityMs } = state;
  let kept = state.keptSubscriptions && new ObservedMap(state.keptSubscriptions, onChanged);
  return {
    get identity() {
      return identity;
    },
    set identity(value) {
      identity = value;
      onChanged();
    },
    get twin() {
      return twin;
    },
    set twin(value) {
      twin = value;
      onChanged();
    },
    get keptSubscriptions(): Subscriptions | undefined {
      return kept;
    },
    set keptSubscriptions(value) {
      kept = value && new ObservedMap(value, onChanged);
      onChanged();
    },
    messages: new MessageQueue({ ...queue, messages: state.messages ?? [], onChanged }),
    session: undefined,
    connectionStateUpdatedMs: state.connectionStateUpdatedMs,
    get lastActivityMs() {
      return this.session?.lastActivityMs ?? lastActivityMs;
    },
    set lastActivityMs(value) {
      lastActivityMs = value;
    },
  };
}
