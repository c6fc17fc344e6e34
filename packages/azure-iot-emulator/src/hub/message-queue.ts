import type { StartTimer } from '../mqtt/timer.ts';
import type { MessageOutcome, QueuedMessage } from './cloud-to-device.ts';
import { HubError } from './hub-error.ts';

/** Documented limit of a device's queue, messages under way included. */
const mostMessages = 50;

/** Documented default of `maxDeliveryCount`, the only one that the emulator's Resource Manager takes. */
const mostDeliveries = 10;

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
  deliveries: number;
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
      this.#entries.push({
        message,
        wasSent: true,
        deliveries: message.deliveryCount ?? 0,
        lockedUntilMs: undefined,
      });
    this.#setTimer();
  }

  /** Messages that wait or are under way; what has expired is settled on the way. */
  count(nowMs: number): number {
    this.#settleExpired(nowMs);
    return this.#entries.length;
  }

  /** All messages, oldest first. */
  list(): QueuedMessage[] {
    return this.#entries.map(({ message, deliveries }) =>
      deliveries === 0 ? message : { ...message, deliveryCount: deliveries },
    );
  }

  /** @throws {HubError} DeviceMaximumQueueDepthExceeded */
  add(message: QueuedMessage): void {
    if (this.count(message.enqueuedTimeMs) >= mostMessages) throw new HubError('DeviceMaximumQueueDepthExceeded');
    this.#entries.push({ message, wasSent: false, deliveries: 0, lockedUntilMs: undefined });
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
    entry.deliveries += 1;
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
    this.#release(() => true);
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

  /** Back to waiting, or to the dead letters after the last time ("Send cloud-to-device messages", life cycle). */
  #release(isMeant: (entry: Entry) => boolean): boolean {
    const released = this.#entries.filter((entry) => entry.lockedUntilMs !== undefined && isMeant(entry));
    for (const entry of released) entry.lockedUntilMs = undefined;
    if (released.length > 0) this.#options.onChanged?.();
    const isDead = ({ lockedUntilMs, deliveries }: Entry): boolean =>
      lockedUntilMs === undefined && deliveries >= mostDeliveries;
    return released.length > this.#settle(isDead, 'DeliveryCountExceeded');
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
    const areAvailable = this.#release(({ lockedUntilMs = Infinity }) => lockedUntilMs <= nowMs);
    this.#settleExpired(nowMs);
    if (areAvailable) this.#options.onAvailable();
    this.#setTimer();
  }
}
