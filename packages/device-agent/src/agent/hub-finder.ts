import { DeviceAgentError, type DeviceAgentErrorCode } from '../errors.ts';
import type { HubAddress } from '../protocol/hub-session.ts';
import type { Assignment, ProvisioningService } from '../protocol/provision.ts';
import type { StateStore } from '../state/state-store.ts';

/** A hub to connect to, and how it was found. */
export interface FoundHub extends HubAddress {
  /** False where DPS has just been asked. */
  readonly isKept: boolean;
}

/** What it tells. */
export type ProvisioningEvent =
  | { readonly type: 'provisioning'; readonly reason: string; readonly idScope: string }
  | { readonly type: 'provisioned'; readonly assignment: Assignment; readonly idScope: string }
  /** Another DPS was asked for, and doesn't take this device: it stays with the one it has. */
  | { readonly type: 'move-refused'; readonly idScope: string; readonly error: DeviceAgentError };

export interface HubFinderOptions {
  readonly store: Pick<StateStore, 'database' | 'get' | 'put' | 'remove'>;
  /** The configuration: a DPS to ask, or a hub. */
  readonly connectTo: ProvisioningService | HubAddress;
  readonly register: (service: ProvisioningService) => Promise<Assignment>;
  readonly onEvent: (event: ProvisioningEvent) => void;
}

/** As it is kept; DPS of the assignment and the one of the configuration, which wins where it has changed since. */
interface KeptAssignment extends Assignment {
  readonly idScope: string;
  readonly endpoint?: string;
  readonly configuredIdScope: string;
}

/** Where the device was told to go. */
interface Move extends ProvisioningService {
  readonly configuredIdScope: string;
  readonly tries: number;
}

/** An order to ask DPS again that it hasn't answered yet. */
interface Order {
  readonly reason: string;
  readonly tries: number;
}

const assignmentName = 'assignment';
const moveName = 'move-to';
const orderName = 'ask-dps';

/** Answers that speak against the device itself; others say nothing about what DPS would decide. */
const refusals: readonly DeviceAgentErrorCode[] = ['ERR_AGENT_DPS_REFUSED', 'ERR_AGENT_DPS_DISABLED'];

/** Unanswered tries after which a move to another DPS, or an order to ask again, is given up. */
const triesUntilGivenUp = 5;

/** Knows the device's hub: the kept assignment, or what DPS answers; and moves the device from one DPS to another. */
export class HubFinder {
  readonly #options: HubFinderOptions;

  constructor(options: HubFinderOptions) {
    this.#options = options;
  }

  /** Whether there is a DPS to ask. */
  get canProvision(): boolean {
    return 'idScope' in this.#options.connectTo;
  }

  /** Whether another DPS is to be asked, and hasn't answered yet. */
  get isMoving(): boolean {
    return this.#move() !== undefined;
  }

  /** Why DPS has to be asked before the kept hub is gone to, where it has to. */
  get order(): string | undefined {
    return this.isMoving ? 'it was told to move' : this.#order()?.reason;
  }

  kept(): FoundHub | undefined {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) return { ...connectTo, isKept: true };
    const kept = this.#keptAssignment();
    return kept && { hostName: kept.assignedHub, deviceId: kept.deviceId, isKept: true };
  }

  /**
   * Asks DPS, and keeps its answer. A kept hub is forgotten only for another one.
   *
   * @throws {DeviceAgentError} what `provision` throws
   */
  async register(reason: string): Promise<FoundHub> {
    const { connectTo, store } = this.#options;
    if (!('idScope' in connectTo)) throw new TypeError('There is no DPS to ask: the agent was given a hub.');
    const move = this.#move();
    const service = move ? toService(move) : this.service();
    const { idScope } = service;
    this.#options.onEvent({ type: 'provisioning', reason, idScope });
    let assignment: Assignment;
    try {
      assignment = await this.#options.register(service);
    } catch (error) {
      if (error instanceof DeviceAgentError) this.#countTry(move, error);
      throw error;
    }
    const kept: KeptAssignment = { ...assignment, ...service, configuredIdScope: connectTo.idScope };
    // A power cut may undo it: then DPS is asked once more. Waiting for the disk here would hold up the connection.
    store.database.transaction(() => {
      store.put(assignmentName, kept);
      if (move) store.remove(moveName);
      if (this.#order()) store.remove(orderName);
    }, false);
    this.#options.onEvent({ type: 'provisioned', assignment, idScope });
    return { hostName: assignment.assignedHub, deviceId: assignment.deviceId, isKept: false };
  }

  /** The DPS that the device is with: the configured one, or the one that it was moved to. */
  service(): ProvisioningService {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) throw new TypeError('There is no DPS to ask: the agent was given a hub.');
    return toService(this.#keptAssignment() ?? connectTo);
  }

  /** DPS is asked again, by the next process if this one ends before: on disk when it returns. */
  askAgain(reason: string): void {
    this.#options.store.put(orderName, { reason, tries: 0 } satisfies Order);
  }

  /** The next registration goes to this DPS; where it doesn't take the device, everything stays as it is. */
  moveTo(service: ProvisioningService): void {
    const { connectTo, store } = this.#options;
    if ('idScope' in connectTo) store.put(moveName, { ...service, configuredIdScope: connectTo.idScope, tries: 0 });
  }

  /** An order from the time of another configuration is over. */
  #move(): Move | undefined {
    const { connectTo, store } = this.#options;
    const move = store.get(moveName) as Move | undefined;
    return 'idScope' in connectTo && move?.configuredIdScope === connectTo.idScope ? move : undefined;
  }

  #keptAssignment(): KeptAssignment | undefined {
    const { connectTo, store } = this.#options;
    const kept = store.get(assignmentName) as KeptAssignment | undefined;
    // A device whose configuration names another DPS instance must not go on to the old one's hub.
    return 'idScope' in connectTo && kept?.configuredIdScope === connectTo.idScope ? kept : undefined;
  }

  #order(): Order | undefined {
    return this.#options.store.get(orderName) as Order | undefined;
  }

  /** An agent that was stopped has not had its try. */
  #countTry(move: Move | undefined, error: DeviceAgentError): void {
    if (error.code === 'ERR_AGENT_STOPPED') return;
    const { store, onEvent } = this.#options;
    const isRefused = refusals.includes(error.code);
    const isGivenUp = (tries: number): boolean => isRefused || tries >= triesUntilGivenUp;
    const order = this.#order();
    if (order && isGivenUp(order.tries + 1)) store.remove(orderName);
    else if (order) store.put(orderName, { ...order, tries: order.tries + 1 });
    if (!move) return;
    if (!isGivenUp(move.tries + 1)) {
      store.put(moveName, { ...move, tries: move.tries + 1 });
      return;
    }
    store.remove(moveName);
    onEvent({ type: 'move-refused', idScope: move.idScope, error });
  }
}

function toService({ idScope, endpoint }: ProvisioningService): ProvisioningService {
  return { idScope, ...(endpoint !== undefined && { endpoint }) };
}
