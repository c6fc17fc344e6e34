import { DeviceAgentError, type DeviceAgentErrorCode } from '../errors.ts';
import type { HubAddress } from '../protocol/hub-session.ts';
import type { Assignment, ProvisioningService } from '../protocol/provision.ts';
import type { StateStore } from '../state/state-store.ts';
import { writeOrTell, type StateEvent } from './state-event.ts';

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
  readonly store: Pick<StateStore, 'database' | 'get' | 'put' | 'remove' | 'transaction'>;
  /** The configuration: a DPS to ask, or a hub. */
  readonly connectTo: ProvisioningService | HubAddress;
  readonly register: (service: ProvisioningService) => Promise<Assignment>;
  readonly onEvent: (event: ProvisioningEvent | StateEvent) => void;
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

/**
 * Knows the device's hub: the kept assignment, or what DPS answers; and moves the device from one DPS to another. It reads the
 * disk once: from then on a disk that fails costs no connection.
 */
export class HubFinder {
  readonly #options: HubFinderOptions;
  #kept: KeptAssignment | undefined;
  #move: Move | undefined;
  #order: Order | undefined;

  /** @throws {DeviceAgentError} ERR_AGENT_STATE */
  constructor(options: HubFinderOptions) {
    const { connectTo, store } = options;
    this.#options = options;
    if (!('idScope' in connectTo)) return;
    const kept = store.get(assignmentName) as KeptAssignment | undefined;
    const move = store.get(moveName) as Move | undefined;
    // A device whose configuration names another DPS instance must not go on to the old one's hub, nor where it was told to then.
    this.#kept = kept?.configuredIdScope === connectTo.idScope ? kept : undefined;
    this.#move = move?.configuredIdScope === connectTo.idScope ? move : undefined;
    this.#order = store.get(orderName) as Order | undefined;
  }

  /** Whether there is a DPS to ask. */
  get canProvision(): boolean {
    return 'idScope' in this.#options.connectTo;
  }

  /** Whether another DPS is to be asked, and hasn't answered yet. */
  get isMoving(): boolean {
    return this.#move !== undefined;
  }

  /** Why DPS has to be asked before the kept hub is gone to, where it has to. */
  get order(): string | undefined {
    return this.isMoving ? 'it was told to move' : this.#order?.reason;
  }

  kept(): FoundHub | undefined {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) return { ...connectTo, isKept: true };
    const kept = this.#kept;
    return kept && { hostName: kept.assignedHub, deviceId: kept.deviceId, isKept: true };
  }

  /**
   * Asks DPS, and keeps its answer. A kept hub is forgotten only for another one.
   *
   * @throws {DeviceAgentError} what `provision` throws
   */
  async register(reason: string): Promise<FoundHub> {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) throw new TypeError('There is no DPS to ask: the agent was given a hub.');
    const [move, order] = [this.#move, this.#order];
    const service = move ? toService(move) : this.service();
    const { idScope } = service;
    this.#options.onEvent({ type: 'provisioning', reason, idScope });
    let assignment: Assignment;
    try {
      assignment = await this.#options.register(service);
    } catch (error) {
      if (error instanceof DeviceAgentError) this.#countTry(move, order, error);
      throw error;
    }
    this.#kept = { ...assignment, ...service, configuredIdScope: connectTo.idScope };
    // What was ordered meanwhile is still to be done.
    if (this.#move === move) this.#move = undefined;
    if (this.#order === order) this.#order = undefined;
    writeOrTell(() => this.#writeAssignment(), this.#options.onEvent);
    this.#options.onEvent({ type: 'provisioned', assignment, idScope });
    return { hostName: assignment.assignedHub, deviceId: assignment.deviceId, isKept: false };
  }

  /** The DPS that the device is with: the configured one, or the one that it was moved to. */
  service(): ProvisioningService {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) throw new TypeError('There is no DPS to ask: the agent was given a hub.');
    return toService(this.#kept ?? connectTo);
  }

  /**
   * DPS is asked again, by the next process if this one ends before.
   *
   * @param mark - written with it, all or nothing
   * @throws {DeviceAgentError} ERR_AGENT_STATE: the order isn't on disk, and isn't followed
   */
  askAgain(reason: string, mark: () => void): void {
    const order: Order = { reason, tries: 0 };
    this.#keepOrder(orderName, order, mark);
    this.#order = order;
  }

  /**
   * The next registration goes to this DPS; where it doesn't take the device, everything stays as it is.
   *
   * @param mark - written with it, all or nothing
   * @throws {DeviceAgentError} ERR_AGENT_STATE: the order isn't on disk, and isn't followed
   */
  moveTo(service: ProvisioningService, mark: () => void): void {
    const { connectTo } = this.#options;
    if (!('idScope' in connectTo)) return;
    const move: Move = { ...service, configuredIdScope: connectTo.idScope, tries: 0 };
    this.#keepOrder(moveName, move, mark);
    this.#move = move;
  }

  #keepOrder(name: string, order: Order | Move, mark: () => void): void {
    const { store } = this.#options;
    store.transaction(() => {
      store.put(name, order);
      mark();
    });
  }

  /** A power cut may undo it: then DPS is asked once more. Waiting for the disk here would hold up the connection. */
  #writeAssignment(): void {
    const { store } = this.#options;
    store.database.transaction(() => {
      store.put(assignmentName, this.#kept);
      this.#writeOrders();
    }, false);
  }

  /** An agent that was stopped has not had its try, and what was ordered meanwhile has had none. */
  #countTry(move: Move | undefined, order: Order | undefined, error: DeviceAgentError): void {
    if (error.code === 'ERR_AGENT_STOPPED' || !(move ?? order)) return;
    const { onEvent } = this.#options;
    const isRefused = refusals.includes(error.code);
    const counted = <T extends { readonly tries: number }>(told: T): T | undefined =>
      isRefused || told.tries + 1 >= triesUntilGivenUp ? undefined : { ...told, tries: told.tries + 1 };
    if (order && this.#order === order) this.#order = counted(order);
    const isMoveCounted = move !== undefined && this.#move === move;
    if (isMoveCounted) this.#move = counted(move);
    writeOrTell(() => this.#writeOrders(), onEvent);
    if (isMoveCounted && !this.#move) onEvent({ type: 'move-refused', idScope: move.idScope, error });
  }

  #writeOrders(): void {
    this.#options.store.transaction(() => {
      this.#write(moveName, this.#move);
      this.#write(orderName, this.#order);
    });
  }

  #write(name: string, value: unknown): void {
    const { store } = this.#options;
    if (value !== undefined) store.put(name, value);
    else if (store.get(name) !== undefined) store.remove(name);
  }
}

function toService({ idScope, endpoint }: ProvisioningService): ProvisioningService {
  return { idScope, ...(endpoint !== undefined && { endpoint }) };
}
