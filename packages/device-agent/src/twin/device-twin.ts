import type { Clock } from '../clock.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import { callHandler } from '../handler-call.ts';
import type { StateStore } from '../state/state-store.ts';
import {
  DesiredProperties,
  refuse,
  type Acknowledgements,
  type DesiredChange,
  type DesiredHandler,
  type DesiredOutcome,
} from './desired-properties.ts';
import type { JsonObject } from './merge-patch.ts';
import { ReportedProperties } from './reported-properties.ts';
import { TwinRefusedError, type TwinSession } from './twin-session.ts';

/** What the twin tells its application. */
export type TwinEvent =
  /** The desired properties up to this version have been handled; that and their acknowledgements are on disk. */
  | { readonly type: 'desired-handled'; readonly version: number }
  /** The hub has taken these reported properties. */
  | { readonly type: 'reported'; readonly properties: JsonObject }
  | { readonly type: 'handler-failed'; readonly handler: 'onDesired'; readonly version: number; readonly error: unknown }
  /** Reported properties were refused and are dropped, or the state can't be written. */
  | { readonly type: 'twin-failed'; readonly error: DeviceAgentError };

export interface DeviceTwinOptions {
  readonly store: StateStore;
  readonly onDesired: DesiredHandler;
  /** Default 300,000 milliseconds; a handler that takes longer has failed. */
  readonly timeoutMs?: number;
  readonly onEvent: (event: TwinEvent) => void;
  readonly clock: Clock;
  /** From 0 (included) to 1. */
  readonly random: () => number;
}

/** What belongs to one session. */
interface Link {
  readonly session: TwinSession;
  readonly ending: AbortController;
  isFetching: boolean;
  isSending: boolean;
}

const shortestPauseMs = 1_000;
const longestPauseMs = 60_000;

/** A device's twin over whatever session there is. */
export class DeviceTwin {
  readonly #options: DeviceTwinOptions;
  readonly #reported: ReportedProperties;
  readonly #desired: DesiredProperties;
  readonly #stopping = new AbortController();
  #link: Link | undefined;
  #handling: Promise<void> = Promise.resolve();

  constructor(options: DeviceTwinOptions) {
    const { store } = options;
    this.#options = options;
    this.#reported = new ReportedProperties(store);
    this.#desired = new DesiredProperties({
      store,
      handle: (change) => this.#ask(change),
      acknowledge: (properties) => this.#acknowledge(properties),
    });
  }

  /** A new session, whose subscriptions to answers and desired properties stand: the hub replays nothing. */
  connected(session: TwinSession): void {
    this.disconnected();
    this.#link = { session, ending: new AbortController(), isFetching: false, isSending: false };
    this.#desired.connected();
    this.#fetch(this.#link);
  }

  disconnected(): void {
    this.#link?.ending.abort();
    this.#link = undefined;
    this.#reported.atHub(undefined);
  }

  /** A notification of this session. */
  takeDesired(patch: JsonObject): void {
    const link = this.#link;
    if (link) void this.#enqueue(link, () => this.#desired.takePatch(patch));
  }

  /**
   * Merges reported properties (null removes): on disk when it returns, at the hub as soon as there is one.
   *
   * @throws {DeviceAgentError} ERR_AGENT_TWIN: they break the hub's limits, and nothing of them is kept. ERR_AGENT_STATE
   */
  report(patch: JsonObject): void {
    this.#reported.merge(patch);
    this.#wake();
  }

  /** Resolves when no desired change is being handled. */
  settled(): Promise<void> {
    return this.#handling;
  }

  /** Fires the running handler's signal and sends nothing any more; a change that isn't handled comes again after the next start. */
  stop(): void {
    this.#stopping.abort(new DeviceAgentError('ERR_AGENT_STOPPED', 'The agent was stopped.'));
    this.disconnected();
  }

  /** Asks for the whole twin until it has been handled, unless that is on its way. */
  #fetch(link: Link): void {
    if (link.isFetching) return;
    link.isFetching = true;
    void this.#fetchAll(link);
  }

  async #fetchAll(link: Link): Promise<void> {
    for (let attempt = 1; link.isFetching && !link.ending.signal.aborted; attempt += 1) {
      try {
        const { desired, reported } = await link.session.getTwin();
        if (link.ending.signal.aborted) return;
        const { $version: _, ...atHub } = reported;
        this.#reported.atHub(atHub);
        this.#wake();
        await this.#enqueue(link, () => this.#desired.takeAll(desired));
      } catch (error) {
        if (!(error instanceof TwinRefusedError)) this.#tellFailure(error);
        await this.#pause(link, attempt, error);
      }
    }
  }
}
