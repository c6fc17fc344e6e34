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
  readonly store: Pick<StateStore, 'database' | 'get' | 'put' | 'remove'>;
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

const assignmentName = 'assignment';
const moveName = 'move-to';

/** Answers that speak against the device itself; others say nothing about what DPS would decide. */
const refusals: readonly DeviceAgentErrorCode[] = ['ERR_AGENT_DPS_REFUSED', 'ERR_AGENT_DPS_DISABLED'];

/** Unanswered tries after which a move to another DPS is given up. */
const movesUntilGivenUp = 5;

/**
 * Knows the device's hub: the kept assignment, or what DPS answers; and moves the device from one DPS to another. It reads the
 * disk once: from then on a disk that fails costs no connection.
 */
export class HubFinder {
  readonly #options: HubFinderOptions;
  #kept: KeptAssignment | undefined;
  #move: Move | undefined;

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
  }

  /** Whether there is a DPS to ask. */
  get canProvision(): boolean {
    return 'idScope' in this.#options.connectTo;
  }

  /** Whether another DPS is to be asked, and hasn't answered yet. */
  get isMoving(): boolean {
    return this.#move !== undefined;
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
    const move = this.#move;
    const service = move ? toService(move) : this.service();
    const { idScope } = service;
    this.#options.onEvent({ type: 'provisioning', reason, idScope });
    let assignment: Assignment;
    try {
      assignment = await this.#options.register(service);
    } catch (error) {
      if (move && error instanceof DeviceAgentError) this.#countMove(move, error);
      throw error;
    }
    this.#kept = { ...assignment, ...service, configuredIdScope: connectTo.idScope };
    // An order that has come meanwhile is still to be followed.
    if (this.#move === move) this.#move = undefined;
    writeOrTell(() => this.#writeAssignment(move !== undefined), this.#options.onEvent);
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
   * The next registration goes to this DPS; where it doesn't take the device, everything stays as it is.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE: the order isn't on disk, and isn't followed
   */
  moveTo(service: ProvisioningService): void {
    const { connectTo, store } = this.#options;
    if (!('idScope' in connectTo)) return;
    const move: Move = { ...service, configuredIdScope: connectTo.idScope, tries: 0 };
    store.put(moveName, move);
    this.#move = move;
  }

  /** A power cut may undo it: then DPS is asked once more. Waiting for the disk here would hold up the connection. */
  #writeAssignment(hasMoved: boolean): void {
    const { store } = this.#options;
    store.database.transaction(() => {
      store.put(assignmentName, this.#kept);
      if (hasMoved) this.#writeMove();
    }, false);
  }

  #countMove(move: Move, error: DeviceAgentError): void {
    if (this.#move !== move) return;
    const tries = move.tries + 1;
    const isGivenUp = refusals.includes(error.code) || tries >= movesUntilGivenUp;
    this.#move = isGivenUp ? undefined : { ...move, tries };
    writeOrTell(() => this.#writeMove(), this.#options.onEvent);
    if (isGivenUp) this.#options.onEvent({ type: 'move-refused', idScope: move.idScope, error });
  }

  #writeMove(): void {
    const { store } = this.#options;
    if (this.#move) store.put(moveName, this.#move);
    else store.remove(moveName);
  }
}

function toService({ idScope, endpoint }: ProvisioningService): ProvisioningService {
  return { idScope, ...(endpoint !== undefined && { endpoint }) };
}
