import type { StartTimer } from '../mqtt/timer.ts';
import type { MessageOutcome, QueuedMessage } from './cloud-to-device.ts';
import { HubError } from './hub-error.ts';

/** Documented limit of a device's queue, messages under way included. */
const mostMessages = 50;

/** Documented and not to be changed: how long a message that is under way is kept from being sent again. */
const lockMs = 60_000;

/** Options of {@link MessageQueue}. */
export interface MessageQueueOptions {
  readonly now: () => number;
  readonly startTimer: StartTimer;
  /** Default true; false keeps a message under way for as long as its connection lives. */
  readonly locksExpire?: boolean;
  readonly onSettled: (message: QueuedMessage, outcome: MessageOutcome) => void;
  /** A message whose lock has run out waits again. */
  readonly onAvailable: () => void;
  /** What the queue begins with. */
  readonly messages?: readonly QueuedMessage[];
  /** A message was added or has left. */
  readonly onChanged?: () => void;
}

/** A message on its way to the device. */
export interface Delivery {
  readonly message: QueuedMessage;
  /** True where it was sent before and not acknowledged. */
  readonly isRedelivery: boolean;
}

interface Entry {
  readonly message: QueuedMessage;
  wasSent: boolean;
  /** Undefined while it waits. */
  lockedUntilMs: number | undefined;
}

/** Cloud-to-device messages of one device, in order; one that isn't acknowledged goes back to its place. */
export class MessageQueue {
  readonly #options: MessageQueueOptions;
  #entries: Entry[] = [];
  #stopTimer: () => void = () => undefined;

  constructor(options: MessageQueueOptions) {
    this.#options = options;
    for (const message of options.messages ?? [])
      this.#entries.push({ message, wasSent: true, lockedUntilMs: undefined });
    this.#setTimer();
  }

  /** Messages that wait or are under way; what has expired is settled on the way. */
  count(nowMs: number): number {
    this.#settleExpired(nowMs);
    return this.#entries.length;
  }

  /** All messages, oldest first. */
  list(): QueuedMessage[] {
    return this.#entries.map(({ message }) => message);
  }

  /** @throws {HubError} DeviceMaximumQueueDepthExceeded */
  add(message: QueuedMessage): void {
    if (this.count(message.enqueuedTimeMs) >= mostMessages) throw new HubError('DeviceMaximumQueueDepthExceeded');
    this.#entries.push({ message, wasSent: false, lockedUntilMs: undefined });
    this.#options.onChanged?.();
    this.#setTimer();
  }

  /** The oldest message that isn't under way; from now on it is, until completed, released or its lock runs out. */
  take(nowMs: number): Delivery | undefined {
    this.#settleExpired(nowMs);
    const entry = this.#entries.find((candidate) => candidate.lockedUntilMs === undefined);
    if (!entry) return undefined;
    const isRedelivery = entry.wasSent;
    entry.wasSent = true;
    entry.lockedUntilMs = this.#options.locksExpire === false ? Infinity : nowMs + lockMs;
    this.#setTimer();
    return { message: entry.message, isRedelivery };
  }

  /** The device has it. */
  complete(message: QueuedMessage): void {
    this.#settle((entry) => entry.message === message, 'Success');
  }

  /** Nothing is under way any more: the connection is gone. */
  releaseAll(): void {
    for (const entry of this.#entries) entry.lockedUntilMs = undefined;
    this.#setTimer();
  }

  /** Empties the queue; returns how many messages there were. */
  purge(): number {
    return this.#settle(() => true, 'Purged');
  }

  /** The device is deleted: its messages go, and with them the feedback that was to come. */
  discard(): void {
    this.#entries = [];
    this.#stopTimer();
  }

  #settleExpired(nowMs: number): void {
    const isOver = ({ lockedUntilMs, message }: Entry): boolean =>
      lockedUntilMs === undefined && message.expiryTimeMs <= nowMs;
    this.#settle(isOver, 'Expired');
  }

  #settle(isMeant: (entry: Entry) => boolean, outcome: MessageOutcome): number {
    const settled = this.#entries.filter(isMeant);
    if (settled.length === 0) return 0;
    this.#entries = this.#entries.filter((entry) => !settled.includes(entry));
    this.#setTimer();
    this.#options.onChanged?.();
    for (const { message } of settled) this.#options.onSettled(message, outcome);
    return settled.length;
  }

  /** One timer for whatever comes first: the end of a lock, or of a waiting message's life. */
  #setTimer(): void {
    this.#stopTimer();
    const { now, startTimer } = this.#options;
    const nextMs = Math.min(
      ...this.#entries.map(({ lockedUntilMs, message }) => lockedUntilMs ?? message.expiryTimeMs),
    );
    if (!Number.isFinite(nextMs)) return;
    this.#stopTimer = startTimer(Math.max(0, nextMs - now()), () => this.#onTime());
  }

  #onTime(): void {
    const nowMs = this.#options.now();
    const unlocked = this.#entries.filter(({ lockedUntilMs = Infinity }) => lockedUntilMs <= nowMs);
    for (const entry of unlocked) entry.lockedUntilMs = undefined;
    this.#settleExpired(nowMs);
    if (unlocked.length > 0) this.#options.onAvailable();
    this.#setTimer();
  }
}
