import { DesiredProperties, type DesiredHandler } from './twin/desired-properties.ts';
import { DeviceAgentError, textOf } from './errors.ts';
import type { HubSession, MethodAnswer } from './protocol/hub-session.ts';
import { createInbox, type CloudToDeviceMessage, type Inbox } from './messages/inbox.ts';
import type { JsonObject } from './twin/merge-patch.ts';
import { createOutbox, type Outbox, type TelemetryMessage } from './telemetry/outbox.ts';
import { ReportedProperties } from './twin/reported-properties.ts';
import type { StateStore } from './state/state-store.ts';
import { TelemetrySender } from './telemetry/telemetry-sender.ts';

/** What the work tells its application. */
export type WorkEvent =
  | { readonly type: 'telemetry-acknowledged'; readonly messageId: string }
  | { readonly type: 'message-completed'; readonly messageId: string | undefined }
  /** Messages, methods and desired properties of this connection are on their way to the handlers. */
  | { readonly type: 'subscribed' }
  /** The desired properties up to this version have been handled, and are remembered as such. */
  | { readonly type: 'desired-handled'; readonly version: number }
  | { readonly type: 'reported'; readonly properties: JsonObject }
  | { readonly type: 'handler-failed'; readonly handler: 'onMessage'; readonly error: unknown }
  | { readonly type: 'twin-failed'; readonly error: DeviceAgentError };

export interface WorkHandlers {
  readonly onMessage: (message: CloudToDeviceMessage) => Promise<void> | void;
  readonly methods: Readonly<Record<string, (payload: unknown) => Promise<MethodResponse> | MethodResponse>>;
  readonly onDesired: DesiredHandler;
  readonly onEvent: (event: WorkEvent) => void;
}

/** Everything that goes over a session, and is kept on disk while there is none. */
export class DeviceWork {
  readonly outbox: Outbox;
  readonly sender: TelemetrySender;
  readonly #inbox: Inbox;
  readonly #reported: ReportedProperties;
  readonly #desired: DesiredProperties;
  readonly #handlers: WorkHandlers;
  #session: HubSession | undefined;
  #handled = 0;
  #handling: Promise<void> = Promise.resolve();
  #reporting: Promise<void> = Promise.resolve();

  constructor(store: StateStore, handlers: WorkHandlers) {
    this.#handlers = handlers;
    this.outbox = createOutbox(store);
    this.#inbox = createInbox(store);
    this.#reported = new ReportedProperties(store);
    this.#desired = new DesiredProperties(store, {
      handle: handlers.onDesired,
      acknowledge: (patch) => this.report(patch),
      onHandled: (version) => handlers.onEvent({ type: 'desired-handled', version }),
    });
    this.sender = new TelemetrySender(this.outbox, (messageId) =>
      handlers.onEvent({ type: 'telemetry-acknowledged', messageId }),
    );
  }

  /** Takes a new session into use; telemetry flows while the subscriptions are still being made. */
  attach(session: HubSession): void {
    this.#session = session;
    this.#handled = 0;
    this.sender.connected(session);
    this.#handleMessages();
    this.#flushReported();
    void this.#followTwin(session);
  }

  detach(): void {
    this.#session = undefined;
    this.sender.disconnected();
  }

  /** Resolves when no handler is running any more. */
  async settle(): Promise<void> {
    await Promise.all([this.#handling, this.#desired.settled(), this.#reporting]);
  }

  add(message: TelemetryMessage, now: Date): string {
    const { messageId } = this.outbox.add(message, now);
    this.sender.wake();
    return messageId;
  }

  report(patch: JsonObject): void {
    this.#reported.add(patch);
    this.#flushReported();
  }

  /** On disk when it returns, so that the hub may be told that the message has arrived. */
  receive(topic: string, body: Buffer, complete: () => void): void {
    this.#inbox.add(topic, body);
    complete();
    this.#handleMessages();
  }

  async answer(name: string, body: Buffer, _signal: AbortSignal): Promise<MethodAnswer> {
    const handler = this.#handlers.methods[name];
    if (!handler) return toAnswer({ status: 404, payload: { error: `No method ${name} on this device.` } });
    try {
      const text = body.toString();
      return toAnswer(await handler(text === '' ? undefined : JSON.parse(text)));
    } catch (error) {
      return toAnswer({ status: 500, payload: { error: textOf(error) } });
    }
  }

  async takeDesired(patch: JsonObject): Promise<void> {
    const isGap = await this.#desired.takePatch(patch);
    if (isGap && this.#session) await this.#fetchDesired(this.#session);
  }

  async #followTwin(session: HubSession): Promise<void> {
    await this.#onTwin(session, async () => {
      await session.subscribe();
      this.#handlers.onEvent({ type: 'subscribed' });
      await this.#fetchDesired(session);
    });
  }

  async #fetchDesired(session: HubSession): Promise<void> {
    await this.#onTwin(session, async () => this.#desired.takeAll((await session.getTwin()).desired));
  }

  /** A session that can't be subscribed or asked is of no use: the loop opens the next one. */
  async #onTwin(session: HubSession, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.#session === session) session.abandon(textOf(error));
    }
  }

  /** One message at a time, each once for each session. */
  #handleMessages(): void {
    this.#handling = this.#handling.then(async () => {
      for (let next = this.#inbox.next(this.#handled); next; next = this.#inbox.next(this.#handled)) {
        this.#handled = next.sequence;
        try {
          await this.#handlers.onMessage(next.message);
          this.#inbox.remove(next.sequence);
          this.#handlers.onEvent({ type: 'message-completed', messageId: next.message.messageId });
        } catch (error) {
          this.#handlers.onEvent({ type: 'handler-failed', handler: 'onMessage', error });
        }
      }
    });
  }

  #flushReported(): void {
    this.#reporting = this.#reporting.then(async () => {
      const session = this.#session;
      if (!session) return;
      try {
        await this.#reported.flush(async (patch) => {
          await session.report(patch);
          this.#handlers.onEvent({ type: 'reported', properties: patch });
        });
      } catch (error) {
        if (!(error instanceof DeviceAgentError) || error.code !== 'ERR_AGENT_TWIN') return;
        this.#reported.drop();
        this.#handlers.onEvent({ type: 'twin-failed', error });
      }
    });
  }
}

/** A direct method's answer: a status of the device's own choosing (HTTP-like by custom) and a JSON value. */
export interface MethodResponse {
  readonly status: number;
  readonly payload?: unknown;
}

function toAnswer({ status, payload = null }: MethodResponse): MethodAnswer {
  return { status, payload: Buffer.from(JSON.stringify(payload)) };
}
