import { setMaxListeners } from 'node:events';
import type { Clock } from '../clock.ts';
import { stopped } from '../errors.ts';
import { callHandler, type HandlerContext } from '../handler-call.ts';
import type { StateStore } from '../state/state-store.ts';
import type { CloudToDeviceMessage } from './cloud-to-device.ts';
import { MessageStore, type ReceivedMessage, type WaitingMessage } from './message-store.ts';

/** What a message's handler gets beside the message. */
export interface MessageContext extends HandlerContext {
  /** 1 for the first time that this message is handed over. */
  readonly attempt: number;
  /** True where an earlier attempt failed, or was cut by the end of the process: it may have done its work. */
  readonly isRepeated: boolean;
}

/** Handles a message; the hub is told that it is done when the handler has returned, and not if it fails. */
export type MessageHandler = (message: CloudToDeviceMessage, context: MessageContext) => Promise<void> | void;

/** What the inbox tells its application. */
export type InboxEvent =
  /** The handler has returned, and that is on disk. */
  | { readonly type: 'message-completed'; readonly messageId: string | undefined }
  /** The hub has sent a message again that was handled before; the handler doesn't see it. */
  | { readonly type: 'message-repeated'; readonly messageId: string | undefined }
  /** The last attempt has failed: the message counts as handled from here on. */
  | { readonly type: 'message-given-up'; readonly messageId: string | undefined; readonly attempts: number }
  | {
      readonly type: 'handler-failed';
      readonly handler: 'onMessage';
      readonly messageId: string | undefined;
      readonly attempt: number;
      readonly error: unknown;
    }
  /** The state can't be read or written; it is tried again by and by. */
  | { readonly type: 'inbox-failed'; readonly error: unknown };

/** How the application takes cloud-to-device messages. */
export interface MessageHandling {
  /** Default 300,000 milliseconds; a handler that takes longer has failed. */
  readonly timeoutMs?: number;
  /** Default 10, the hub's own default for a message that a device abandons; with the waits between them four minutes. */
  readonly maximumAttempts?: number;
}

export interface InboxOptions extends MessageHandling {
  readonly store: StateStore;
  readonly handle: MessageHandler;
  readonly onEvent: (event: InboxEvent) => void;
  readonly clock: Clock;
}

/** A message as a session brings it, with the way to say that it is done (PUBACK, the hub's "complete"). */
export interface InboxArrival extends ReceivedMessage {
  /** Belongs to the session: it must do nothing when that has ended. */
  readonly acknowledge: () => void;
}

interface Brought {
  /** Undefined where the message could not be put on disk. */
  readonly sequence: number | undefined;
  readonly acknowledge: () => void;
  isDone: boolean;
}

const longestRetryMs = 60_000;

/**
 * Cloud-to-device messages, each handled once: on disk when they arrive, handed over one at a time in the order in which
 * they came, and acknowledged when that has ended well. One that fails lets those behind it pass, and comes again after a
 * wait of 1 s, 2 s, 4 s and so on up to a minute, connected or not.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #messages: MessageStore;
  readonly #stopping = new AbortController();
  #brought: Brought[] = [];
  #broughtSequences = new Set<number>();
  /** All up to here have been handed over since the process began. */
  #tried = 0;
  /** Those that failed, and whose wait is over. */
  #due: number[] = [];
  #isRunning = false;
  #takesNoMore = false;
  #run: Promise<void> = Promise.resolve();

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#messages = new MessageStore(options.store);
    // As many may wait for their next attempt as there are messages.
    setMaxListeners(0, this.#stopping.signal);
  }

  /** A new session stands: what an earlier process left unhandled is handed over. It may have brought messages before. */
  connected(): void {
    this.#wake();
  }

  /** The session is over: what it brought can't be acknowledged any more. What is received from here on belongs to the next. */
  disconnected(): void {
    this.#brought = [];
    this.#broughtSequences = new Set();
  }

  /**
   * On disk when it returns.
   *
   * @throws {DeviceAgentError} ERR_AGENT_STATE: the message stays with the hub, which sends it again in the next session
   */
  receive(arrival: InboxArrival): void {
    const { acknowledge } = arrival;
    try {
      const known = this.#messages.find(arrival, this.#broughtSequences);
      const sequence = known?.sequence ?? this.#messages.add(arrival);
      this.#broughtSequences.add(sequence);
      this.#brought.push({ sequence, acknowledge, isDone: known?.isHandled === true });
      if (known?.isHandled === true) this.#options.onEvent({ type: 'message-repeated', messageId: known.messageId });
    } catch (error) {
      this.#brought.push({ sequence: undefined, acknowledge, isDone: false });
      throw error;
    }
    this.#acknowledge();
    this.#wake();
  }

  /** Resolves when no handler runs and none is due. */
  settled(): Promise<void> {
    return this.#run;
  }

  /** Hands nothing over any more; where the handler that still runs fails, its message is handed over again after the next start. */
  takeNoMore(): void {
    this.#takesNoMore = true;
  }

  /** Fires the running handler's signal and hands nothing over any more; what isn't handled is handed over after the next start. */
  stop(): void {
    this.takeNoMore();
    this.#stopping.abort(stopped('The agent'));
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#run = this.#handleAll();
  }

  async #handleAll(): Promise<void> {
    let waiting: WaitingMessage | undefined;
    try {
      while (!this.#takesNoMore) {
        waiting = undefined;
        waiting = this.#next();
        if (!waiting) return;
        await this.#handle(waiting);
      }
    } catch (error) {
      this.#options.onEvent({ type: 'inbox-failed', error });
      this.#goOnAfter(longestRetryMs, waiting?.sequence);
    } finally {
      this.#isRunning = false;
    }
  }

  #next(): WaitingMessage | undefined {
    const [due] = this.#due;
    const waiting = this.#messages.next(due === undefined ? this.#tried : due - 1);
    if (due !== undefined) this.#due.shift();
    else if (waiting) this.#tried = waiting.sequence;
    return waiting;
  }

  async #handle({ sequence, attempts, message }: WaitingMessage): Promise<void> {
    const { messageId } = message;
    const attempt = attempts + 1;
    const { maximumAttempts = 10, onEvent } = this.#options;
    try {
      this.#messages.countAttempt(sequence);
      await this.#call(message, attempt);
      this.#finish(sequence);
      onEvent({ type: 'message-completed', messageId });
    } catch (error) {
      if (this.#takesNoMore) return;
      onEvent({ type: 'handler-failed', handler: 'onMessage', messageId, attempt, error });
      if (attempt < maximumAttempts) {
        this.#goOnAfter(Math.min(1_000 * 2 ** attempts, longestRetryMs), sequence);
        return;
      }
      this.#finish(sequence);
      onEvent({ type: 'message-given-up', messageId, attempts: attempt });
    }
  }

  /** With that message, or where it stopped. */
  #goOnAfter(waitMs: number, sequence: number | undefined): void {
    this.#options.clock.delay(waitMs, this.#stopping.signal).then(
      () => {
        if (sequence !== undefined) this.#due.push(sequence);
        this.#wake();
      },
      () => undefined,
    );
  }

  #call(message: CloudToDeviceMessage, attempt: number): Promise<void> {
    const { handle, clock, timeoutMs = 300_000 } = this.#options;
    const what = `The handler of message ${message.messageId ?? '(without ID)'}`;
    const isRepeated = attempt > 1;
    return callHandler(async (context) => handle(message, { ...context, attempt, isRepeated }), {
      what,
      timeoutMs,
      clock,
      signal: this.#stopping.signal,
    });
  }

  #finish(sequence: number): void {
    this.#messages.markHandled(sequence, this.#options.clock.now());
    for (const brought of this.#brought) if (brought.sequence === sequence) brought.isDone = true;
    this.#acknowledge();
  }

  /**
   * In the order of arrival (MQTT 3.1.1, MQTT-4.6.0-2): Microsoft's protocol gateway ends a connection that acknowledges out
   * of order, so a message that failed holds back those after it until it is done with.
   */
  #acknowledge(): void {
    while (this.#brought[0]?.isDone === true) this.#brought.shift()?.acknowledge();
  }
}
