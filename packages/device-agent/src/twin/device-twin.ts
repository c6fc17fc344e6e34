import type { Clock } from '../clock.ts';
import { stopped, textOf, type DeviceAgentError } from '../errors.ts';
import { callHandler, type HandlerContext } from '../handler-call.ts';
import type { StateStore } from '../state/state-store.ts';
import { checkDesired, type DesiredDefinition } from './define-twin.ts';
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
import { ReportedSender } from './reported-sender.ts';
import { isRefusal, isStateError, twinError } from './twin-error.ts';
import { TwinLink } from './twin-link.ts';
import type { TwinSession } from './twin-session.ts';

/** What the twin tells its application. */
export type TwinEvent =
  /** The desired properties up to this version have been handled; that and their acknowledgements are on disk. */
  | { readonly type: 'desired-handled'; readonly version: number }
  /** The hub has taken these reported properties. */
  | { readonly type: 'reported'; readonly properties: JsonObject }
  | {
      readonly type: 'handler-failed';
      readonly handler: 'onDesired';
      readonly version: number;
      readonly error: unknown;
    }
  /** Reported properties were refused and are dropped, the hub won't show the twin, or the state can't be written. */
  | { readonly type: 'twin-failed'; readonly error: DeviceAgentError };

export interface DeviceTwinOptions {
  readonly store: StateStore;
  readonly onDesired: DesiredHandler | DesiredDefinition;
  /** Default 300,000 milliseconds; a handler that takes longer has failed. */
  readonly timeoutMs?: number | undefined;
  readonly onEvent: (event: TwinEvent) => void;
  readonly clock: Clock;
  /** From 0 (included) to 1. */
  readonly random: () => number;
}

/** A device's twin over whatever session there is. */
export class DeviceTwin {
  readonly #options: DeviceTwinOptions;
  readonly #reported: ReportedProperties;
  readonly #desired: DesiredProperties;
  readonly #sender: ReportedSender;
  readonly #stopping = new AbortController();
  #link: TwinLink | undefined;
  #takesNoMore = false;
  #handling: Promise<void> = Promise.resolve();

  constructor(options: DeviceTwinOptions) {
    const { store, onEvent } = options;
    this.#options = options;
    this.#reported = new ReportedProperties(store);
    this.#sender = new ReportedSender(this.#reported, {
      onReported: (properties) => onEvent({ type: 'reported', properties }),
      onFailed: (error) => onEvent({ type: 'twin-failed', error }),
      onDoubt: (link) => this.#fetch(link),
    });
    this.#desired = new DesiredProperties({
      store,
      handle: (change) => this.#ask(change),
      acknowledge: (properties) => this.#acknowledge(properties),
    });
  }

  /** A new session, whose subscriptions to answers and desired properties stand: the hub replays nothing. */
  connected(session: TwinSession): void {
    this.disconnected();
    this.#link = new TwinLink(session, this.#options);
    this.#desired.connected();
    this.#fetch(this.#link);
  }

  disconnected(): void {
    this.#link?.end();
    this.#link = undefined;
    this.#reported.disconnected();
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

  /**
   * Merges what the agent itself reports; `connected` sends it. It is made anew with each connection, so it needs no wait for
   * the disk, and where it can't be kept the application's work goes on.
   */
  reportOwn(properties: JsonObject): void {
    try {
      this.#options.store.database.transaction(() => this.#reported.merge(properties), false);
    } catch (error) {
      this.#tellFailure(error);
    }
  }

  /** Resolves when no desired change is being handled. */
  settled(): Promise<void> {
    return this.#handling;
  }

  /**
   * Hands nothing over any more, and takes a failure of the handler that still runs for no answer: the agent is being
   * stopped, and so may be what the handler works with. That change comes again after the next start.
   */
  takeNoMore(): void {
    this.#takesNoMore = true;
  }

  /** Fires the running handler's signal and sends nothing any more; a change that isn't handled comes again after the next start. */
  stop(): void {
    this.takeNoMore();
    this.#stopping.abort(stopped('The agent'));
    this.disconnected();
  }

  #wake(): void {
    if (this.#link) this.#sender.wake(this.#link);
  }

  /** Asks for the whole twin until it has been handled, unless that is under way. */
  #fetch(link: TwinLink): void {
    if (link.isFetching) return;
    link.isFetching = true;
    void this.#fetchAll(link);
  }

  async #fetchAll(link: TwinLink): Promise<void> {
    while (this.#isOpen(link)) {
      let failure: unknown;
      try {
        if (await this.#fetchOnce(link)) {
          link.succeeded();
          return;
        }
      } catch (error) {
        failure = error;
        // A throttled or lost answer is no news: the next one makes up for it.
        if (isRefusal(error) || isStateError(error)) this.#tellFailure(error);
      }
      await link.pause(failure);
    }
  }

  /** Whether the whole twin has been handled, or the session is over. */
  async #fetchOnce(link: TwinLink): Promise<boolean> {
    const { doubts } = link;
    const { desired, reported } = await link.session.getTwin();
    if (!link.isInUse) return true;
    if (link.doubts > doubts) return false;
    this.#reported.atHub(reported);
    this.#wake();
    await this.#enqueue(link, async () => {
      const outcome = await this.#desired.takeAll(desired);
      if (outcome.kind !== 'gap' && link.doubts === doubts) link.isFetching = false;
      return outcome;
    });
    return !link.isFetching;
  }

  /** One change at a time, in the order in which they came. */
  #enqueue(link: TwinLink, step: () => Promise<DesiredOutcome>): Promise<void> {
    this.#handling = this.#handling.then(async () => {
      if (!this.#isOpen(link)) return;
      try {
        const outcome = await step();
        if (outcome.kind === 'gap') this.#fetch(link);
        if (outcome.kind !== 'handled') return;
        this.#options.onEvent({ type: 'desired-handled', version: outcome.version });
        this.#wake();
      } catch (error) {
        if (this.#takesNoMore) return;
        this.#tellFailure(error);
        this.#fetch(link);
      }
    });
    return this.#handling;
  }

  #isOpen(link: TwinLink): boolean {
    return link.isInUse && !this.#takesNoMore;
  }

  async #ask(change: DesiredChange): Promise<Acknowledgements> {
    const { onDesired, onEvent, clock, timeoutMs = 300_000 } = this.#options;
    const definition = typeof onDesired === 'function' ? { handle: onDesired } : onDesired;
    const { accepted, refused } = await checkDesired(definition, change);
    if (Object.keys(accepted.properties).length === 0) return refused;
    const what = `The handler of desired properties version ${change.version}`;
    const { signal } = this.#stopping;
    try {
      const call = async (context: HandlerContext): Promise<Acknowledgements | undefined> =>
        definition.handle(accepted, context);
      return { ...(await callHandler(call, { what, timeoutMs, clock, signal })), ...refused };
    } catch (error) {
      if (this.#takesNoMore) throw error;
      onEvent({ type: 'handler-failed', handler: 'onDesired', version: change.version, error });
      return { ...refuse(accepted, 500, textOf(error)), ...refused };
    }
  }

  /** An acknowledgement that breaks the twin's limits must not hold up the others, nor the change. */
  #acknowledge(properties: JsonObject): void {
    for (const [name, value] of Object.entries(properties)) {
      try {
        this.#reported.replace({ [name]: value });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        this.#tellFailure(error);
      }
    }
  }

  #tellFailure(cause: unknown): void {
    this.#options.onEvent({ type: 'twin-failed', error: twinError(cause) });
  }
}
