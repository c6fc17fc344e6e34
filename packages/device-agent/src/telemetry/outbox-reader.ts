import type { OutboxTable } from './outbox-table.ts';
import { OutboxTotals } from './outbox-totals.ts';
import type { StoredMessage } from './telemetry-message.ts';

/** So much that was added and not read yet stays in memory, while there is a reader, and isn't read from disk again. */
const recentLimit = { count: 1024, bytes: 128 * 1024 };

/** How far the outbox has been read, and what of it is in flight: handed out and not acknowledged. */
export class OutboxReader {
  /** The sequence number up to which all has been handed out. */
  handedOut = 0;
  readonly inFlight = new OutboxTotals();
  /** Acknowledged while an older one was not, and not removed from disk yet. */
  readonly acknowledgedAhead = new Set<number>();
  readonly #table: OutboxTable;
  readonly #unacknowledged = new Map<number, StoredMessage>();
  #isReading = false;
  /** All messages after `#recentFrom`. */
  #recent: StoredMessage[] = [];
  #recentBytes = 0;
  #recentFrom = 0;

  constructor(table: OutboxTable) {
    this.#table = table;
  }

  /** Everything up to this sequence number may be forgotten. */
  get doneThrough(): number {
    for (const sequence of this.#unacknowledged.keys()) return sequence - 1;
    return this.handedOut;
  }

  /** Begins again with the oldest message that isn't acknowledged; nothing is in flight then. */
  rewind(isReading: boolean, lastSequence: number): void {
    this.handedOut = this.doneThrough;
    for (const message of this.#unacknowledged.values()) this.inFlight.subtract(message);
    this.#unacknowledged.clear();
    this.#isReading = isReading;
    this.forgetRecent(lastSequence);
  }

  /** What is on disk has to be read from there: it may have changed. */
  forgetRecent(lastSequence: number): void {
    this.#recent = [];
    this.#recentBytes = 0;
    this.#recentFrom = lastSequence;
  }

  appended(message: StoredMessage): void {
    if (!this.#isReading) {
      this.#recentFrom = message.sequence;
    } else if (this.#recent.length >= recentLimit.count || this.#recentBytes + message.size > recentLimit.bytes) {
      this.forgetRecent(message.sequence);
    } else {
      this.#recent.push(message);
      this.#recentBytes += message.size;
    }
  }

  /** The oldest messages that aren't handed out: as many as both limits allow, and one in any case. */
  next(limit: number, maxBytes: number): StoredMessage[] {
    const page =
      this.handedOut >= this.#recentFrom ? this.#takeRecent(limit, maxBytes) : this.#readPage(limit, maxBytes);
    const last = page.at(-1);
    if (last) this.handedOut = last.sequence;
    const messages =
      this.acknowledgedAhead.size === 0 ? page : page.filter(({ sequence }) => !this.acknowledgedAhead.has(sequence));
    for (const message of messages) {
      this.#unacknowledged.set(message.sequence, message);
      this.inFlight.add(message);
    }
    return messages;
  }

  /** Undefined where the message isn't in flight (any more). */
  acknowledge(sequence: number): StoredMessage | undefined {
    const message = this.#unacknowledged.get(sequence);
    if (!message) return undefined;
    this.#unacknowledged.delete(sequence);
    this.inFlight.subtract(message);
    const { doneThrough } = this;
    if (sequence > doneThrough) this.acknowledgedAhead.add(sequence);
    else if (this.acknowledgedAhead.size > 0) this.#forgetAhead(doneThrough);
    return message;
  }

  #forgetAhead(doneThrough: number): void {
    for (const sequence of this.acknowledgedAhead) {
      if (sequence <= doneThrough) this.acknowledgedAhead.delete(sequence);
    }
  }

  #takeRecent(limit: number, maxBytes: number): StoredMessage[] {
    // Some of them may have been read from disk meanwhile.
    const start = this.#recent.findIndex(({ sequence }) => sequence > this.handedOut);
    const waiting = start === -1 ? [] : this.#recent.slice(start);
    const taken = waiting.slice(0, countWithin(waiting, limit, maxBytes));
    this.#recent = waiting.slice(taken.length);
    this.#recentBytes = this.#recent.reduce((total, { size }) => total + size, 0);
    return taken;
  }

  #readPage(limit: number, maxBytes: number): StoredMessage[] {
    const entries = this.#table.entries(this.handedOut, limit);
    const last = entries[countWithin(entries, limit, maxBytes) - 1];
    return last ? this.#table.messages(this.handedOut, last.sequence) : [];
  }
}

function countWithin(items: readonly { readonly size: number }[], limit: number, maxBytes: number): number {
  let bytes = 0;
  let count = 0;
  for (const { size } of items) {
    bytes += size;
    if (count === limit || (count > 0 && bytes > maxBytes)) break;
    count += 1;
  }
  return count;
}
