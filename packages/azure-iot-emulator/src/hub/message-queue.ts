import type { MessageOutcome, QueuedMessage } from './cloud-to-device.ts';
import { HubError } from './hub-error.ts';

/** Documented limit of a device's queue, messages under way included. */
const mostMessages = 50;

interface Entry {
  readonly message: QueuedMessage;
  isUnderWay: boolean;
}

/** Cloud-to-device messages of one device, in order; one that isn't acknowledged goes back to its place. */
export class MessageQueue {
  readonly #onSettled: (message: QueuedMessage, outcome: MessageOutcome) => void;
  #entries: Entry[] = [];

  constructor(onSettled: (message: QueuedMessage, outcome: MessageOutcome) => void) {
    this.#onSettled = onSettled;
  }

  /** Messages that wait or are under way; what has expired is settled on the way. */
  count(nowMs: number): number {
    this.#settleExpired(nowMs);
    return this.#entries.length;
  }

  /** @throws {HubError} DeviceMaximumQueueDepthExceeded */
  add(message: QueuedMessage): void {
    if (this.count(message.enqueuedTimeMs) >= mostMessages) throw new HubError('DeviceMaximumQueueDepthExceeded');
    this.#entries.push({ message, isUnderWay: false });
  }

  /** The oldest message that isn't under way; from now on it is, until completed or released. */
  take(nowMs: number): QueuedMessage | undefined {
    this.#settleExpired(nowMs);
    const entry = this.#entries.find((candidate) => !candidate.isUnderWay);
    if (entry) entry.isUnderWay = true;
    return entry?.message;
  }

  /** The device has it. */
  complete(message: QueuedMessage): void {
    this.#settle((entry) => entry.message === message, 'Success');
  }

  /** Nothing is under way any more: the connection is gone. */
  releaseAll(): void {
    for (const entry of this.#entries) entry.isUnderWay = false;
  }

  /** Empties the queue; returns how many messages there were. */
  purge(): number {
    return this.#settle(() => true, 'Purged');
  }

  #settleExpired(nowMs: number): void {
    this.#settle((entry) => !entry.isUnderWay && entry.message.expiryTimeMs <= nowMs, 'Expired');
  }

  #settle(isMeant: (entry: Entry) => boolean, outcome: MessageOutcome): number {
    const settled = this.#entries.filter(isMeant);
    if (settled.length === 0) return 0;
    this.#entries = this.#entries.filter((entry) => !settled.includes(entry));
    for (const { message } of settled) this.#onSettled(message, outcome);
    return settled.length;
  }
}
