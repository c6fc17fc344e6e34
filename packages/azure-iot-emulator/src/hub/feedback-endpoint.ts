import type { Shelf } from '../data/shelf.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { FeedbackRecord } from './cloud-to-device.ts';
import { HubError } from './hub-error.ts';

/** Feedback as one message: up to 64 records. */
export interface FeedbackBatch {
  readonly sequenceNumber: number;
  readonly lockToken: string;
  readonly enqueuedTimeMs: number;
  readonly deliveryCount: number;
  readonly records: readonly FeedbackRecord[];
}

/** Options of {@link FeedbackEndpoint}. */
export interface FeedbackEndpointOptions {
  readonly now: () => number;
  readonly newLockToken: () => string;
  /** What waits for the back end is kept there. */
  readonly shelf: Shelf;
}

interface Entry {
  readonly sequenceNumber: number;
  readonly enqueuedTimeMs: number;
  readonly records: readonly FeedbackRecord[];
  readonly deliveryCount: number;
  readonly lock?: { readonly token: string; readonly untilMs: number } | undefined;
}

/** "Send cloud-to-device messages": what closes a batch, and the defaults of the feedback queue. */
const mostRecords = 64;
const longestGatheringMs = 15_000;
const lockMs = 60_000;
const timeToLiveMs = 3_600_000;
const mostDeliveries = 10;

/** Bounds what nobody fetches. */
const mostBatches = 1000;

/** The service-bound feedback queue: records are gathered, handed out under a lock, and settled by its token. */
export class FeedbackEndpoint {
  readonly #options: FeedbackEndpointOptions;
  readonly #gathering: { current: readonly FeedbackRecord[] };
  /** Closed batches by their sequence numbers, the oldest first. */
  readonly #entries: StoredMap<Entry>;
  readonly #lastSequenceNumber: { current: number };

  constructor(options: FeedbackEndpointOptions) {
    this.#options = options;
    this.#gathering = options.shelf.value('gathering', () => []);
    this.#entries = options.shelf.map('batches');
    this.#lastSequenceNumber = options.shelf.value('lastBatch', () => 0);
  }

  add(record: FeedbackRecord): void {
    this.#closeBatch();
    this.#gathering.current = [...this.#gathering.current, record];
  }

  /** The oldest batch that isn't locked; undefined while there is none. */
  receive(): FeedbackBatch | undefined {
    const nowMs = this.#options.now();
    this.#closeBatch();
    this.#dropDead(nowMs);
    const entry = [...this.#entries.values()].find(({ lock }) => !isLocked(lock, nowMs));
    if (!entry) return undefined;
    const lockToken = this.#options.newLockToken();
    this.#put({ ...entry, lock: { token: lockToken, untilMs: nowMs + lockMs } });
    const { sequenceNumber, enqueuedTimeMs, records, deliveryCount } = entry;
    return { sequenceNumber, lockToken, enqueuedTimeMs, deliveryCount, records };
  }

  /** Done with: the batch goes. @throws {HubError} DeviceMessageLockLost */
  complete(lockToken: string): void {
    this.#entries.delete(String(this.#locked(lockToken).sequenceNumber));
  }

  /** Back into the queue; after ten times the batch goes. @throws {HubError} DeviceMessageLockLost */
  abandon(lockToken: string): void {
    const entry = this.#locked(lockToken);
    this.#put({ ...entry, lock: undefined, deliveryCount: entry.deliveryCount + 1 });
  }

  #locked(lockToken: string): Entry {
    const nowMs = this.#options.now();
    const entry = [...this.#entries.values()].find(({ lock }) => lock?.token === lockToken && isLocked(lock, nowMs));
    if (!entry) throw new HubError('DeviceMessageLockLost', { text: 'no feedback is locked by that token' });
    return entry;
  }

  #closeBatch(): void {
    const { current: records } = this.#gathering;
    const [oldest] = records;
    if (!oldest) return;
    const nowMs = this.#options.now();
    if (records.length < mostRecords && nowMs < oldest.enqueuedTimeMs + longestGatheringMs) return;
    this.#lastSequenceNumber.current += 1;
    this.#put({
      sequenceNumber: this.#lastSequenceNumber.current,
      enqueuedTimeMs: Math.min(nowMs, oldest.enqueuedTimeMs + longestGatheringMs),
      records,
      deliveryCount: 0,
    });
    this.#gathering.current = [];
    const [first] = this.#entries.keys();
    if (this.#entries.size > mostBatches && first !== undefined) this.#entries.delete(first);
  }

  #put(entry: Entry): void {
    this.#entries.set(String(entry.sequenceNumber), entry);
  }

  /** What has lain there too long or was handed out too often. */
  #dropDead(nowMs: number): void {
    for (const [key, { enqueuedTimeMs, deliveryCount, lock }] of this.#entries) {
      const isAlive = enqueuedTimeMs + timeToLiveMs > nowMs && deliveryCount < mostDeliveries;
      if (!isAlive && !isLocked(lock, nowMs)) this.#entries.delete(key);
    }
  }
}

function isLocked(lock: Entry['lock'], nowMs: number): boolean {
  return lock !== undefined && lock.untilMs > nowMs;
}
