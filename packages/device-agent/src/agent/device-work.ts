import type { Clock } from '../clock.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import {
  Inbox,
  type InboxArrival,
  type InboxEvent,
  type MessageHandler,
  type MessageHandling,
} from '../messages/inbox.ts';
import { createMethods, type MethodAnswer, type MethodDefinitions, type Methods } from '../methods/methods.ts';
import type { HubSession } from '../protocol/hub-session.ts';
import type { StateStore } from '../state/state-store.ts';
import { Outbox } from '../telemetry/outbox.ts';
import type { OutboxEvent, OutboxOptions } from '../telemetry/outbox-options.ts';
import type { TelemetryMessage } from '../telemetry/telemetry-message.ts';
import { TelemetrySender } from '../telemetry/telemetry-sender.ts';
import type { DesiredDefinition } from '../twin/define-twin.ts';
import type { DesiredHandler } from '../twin/desired-properties.ts';
import { DeviceTwin, type TwinEvent } from '../twin/device-twin.ts';
import type { JsonObject } from '../twin/merge-patch.ts';

/** What the work tells its application. */
export type WorkEvent =
  | OutboxEvent
  | InboxEvent
  | TwinEvent
  /** A caller got this answer: the handler's, or 400, 404, 500 or 504 in its place. */
  | {
      readonly type: 'method-called';
      readonly method: string;
      readonly status: number;
      /** From the call to the answer, milliseconds. */
      readonly durationMs: number;
    }
  /** Messages, methods and desired properties of this connection are on their way to the handlers. */
  | { readonly type: 'subscribed' };

export interface WorkOptions {
  readonly onMessage: MessageHandler;
  readonly messages?: MessageHandling | undefined;
  readonly methods: MethodDefinitions;
  readonly onDesired: DesiredHandler | DesiredDefinition;
  readonly onEvent: (event: WorkEvent) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly outbox?: OutboxOptions | undefined;
  /** What the agent itself reports with each connection. */
  readonly ownReported: () => JsonObject;
}

/** Everything that goes over a session, and is kept on disk while there is none. */
export class DeviceWork {
  readonly outbox: Outbox;
  readonly sender: TelemetrySender;
  readonly #methods: Methods;
  readonly #inbox: Inbox;
  readonly #twin: DeviceTwin;
  readonly #options: WorkOptions;
  #session: HubSession | undefined;

  constructor(store: StateStore, options: WorkOptions) {
    const { clock, random, onEvent, onDesired } = options;
    this.#options = options;
    this.outbox = new Outbox(store, { ...options.outbox, clock }, onEvent);
    this.sender = new TelemetrySender(this.outbox, { ...options.outbox, clock, onEvent });
    this.#methods = createMethods(options.methods, clock);
    this.#inbox = new Inbox({ ...options.messages, store, handle: options.onMessage, onEvent, clock });
    this.#twin = new DeviceTwin({ store, onDesired, onEvent, clock, random });
  }

  /** Takes a new session into use; telemetry flows while the subscriptions are still being made. */
  attach(session: HubSession): void {
    this.#session = session;
    this.sender.connected(session);
    this.#inbox.connected();
    void this.#subscribe(session);
  }

  detach(): void {
    this.#session = undefined;
    this.sender.disconnected();
    this.#inbox.disconnected();
    this.#twin.disconnected();
  }

  /** Begins no message and no desired change any more; what was begun may come to its end. */
  takeNoMore(): void {
    this.#inbox.takeNoMore();
    this.#twin.takeNoMore();
  }

  /** Cuts the handlers that still run; resolves when nothing is written any more. */
  async end(): Promise<void> {
    this.sender.end();
    this.#inbox.stop();
    this.#twin.stop();
    await Promise.all([this.#inbox.settled(), this.#twin.settled()]);
  }

  async add(message: TelemetryMessage): Promise<string> {
    const { messageId } = await this.outbox.add(message);
    return messageId;
  }

  report(patch: JsonObject): void {
    this.#twin.report(patch);
  }

  receive(arrival: InboxArrival): void {
    this.#inbox.receive(arrival);
  }

  /** @throws the signal's reason: nobody takes an answer any more */
  async answer(method: string, body: Buffer, signal: AbortSignal): Promise<MethodAnswer> {
    const began = performance.now();
    const answer = await this.#methods.answer(method, body, signal);
    const durationMs = performance.now() - began;
    this.#options.onEvent({ type: 'method-called', method, status: answer.status, durationMs });
    return answer;
  }

  takeDesired(patch: JsonObject): void {
    this.#twin.takeDesired(patch);
  }

  /** A session that can't be subscribed is of no use: the loop opens the next one. */
  async #subscribe(session: HubSession): Promise<void> {
    try {
      await session.subscribe();
    } catch (error) {
      if (this.#session === session) session.abandon(error instanceof DeviceAgentError ? error : textOf(error));
      return;
    }
    if (this.#session !== session) return;
    this.#options.onEvent({ type: 'subscribed' });
    this.#twin.reportOwn(this.#options.ownReported());
    this.#twin.connected(session);
  }
}
