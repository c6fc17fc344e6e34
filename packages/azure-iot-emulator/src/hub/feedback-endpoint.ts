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
}

interface Entry {
  readonly sequenceNumber: number;
  readonly enqueuedTimeMs: number;
  readonly records: readonly FeedbackRecord[];
  deliveryCount: number;
  lock: { readonly token: string; readonly untilMs: number } | undefined;
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
  #gathering: FeedbackRecord[] = [];
  #entries: Entry[] = [];
  #lastSequenceNumber = 0;

  constructor(options: FeedbackEndpointOptions) {
    this.#options = options;
  }

  add(record: FeedbackRecord): void {
    this.#closeBatch();
    this.#gathering.push(record);
  }

  /** The oldest batch that isn't locked; undefined while there is none. */
  receive(): FeedbackBatch | undefined {
    const nowMs = this.#options.now();
    this.#closeBatch();
    this.#entries = this.#entries.filter(
      ({ enqueuedTimeMs, deliveryCount, lock }) =>
        isLocked(lock, nowMs) || (enqueuedTimeMs + timeToLiveMs > nowMs && deliveryCount < mostDeliveries),
    );
    const entry = this.#entries.find(({ lock }) => !isLocked(lock, nowMs));
    if (!entry) return undefined;
    const lockToken = this.#options.newLockToken();
    entry.lock = { token: lockToken, untilMs: nowMs + lockMs };
    const { sequenceNumber, enqueuedTimeMs, records, deliveryCount } = entry;
    return { sequenceNumber, lockToken, enqueuedTimeMs, deliveryCount, records };
  }

  /** Done with: the batch goes. @throws {HubError} DeviceMessageLockLost */
  complete(lockToken: string): void {
    const entry = this.#locked(lockToken);
    this.#entries = this.#entries.filter((candidate) => candidate !== entry);
  }

  /** Back into the queue; after ten times the batch goes. @throws {HubError} DeviceMessageLockLost */
  abandon(lockToken: string): void {
    const entry = this.#locked(lockToken);
    entry.lock = undefined;
    entry.deliveryCount += 1;
  }

  #locked(lockToken: string): Entry {
    const nowMs = this.#options.now();
    const entry = this.#entries.find(({ lock }) => lock?.token === lockToken && isLocked(lock, nowMs));
    if (!entry) throw new HubError('DeviceMessageLockLost', { text: 'no feedback is locked by that token' });
    return entry;
  }

  #closeBatch(): void {
    const [oldest] = this.#gathering;
    if (!oldest) return;
    const nowMs = this.#options.now();
    if (this.#gathering.length < mostRecords && nowMs < oldest.enqueuedTimeMs + longestGatheringMs) return;
    this.#lastSequenceNumber += 1;
    this.#entries.push({
      sequenceNumber: this.#lastSequenceNumber,
      enqueuedTimeMs: Math.min(nowMs, oldest.enqueuedTimeMs + longestGatheringMs),
      records: this.#gathering,
      deliveryCount: 0,
      lock: undefined,
    });
    this.#gathering = [];
    if (this.#entries.length > mostBatches) this.#entries.shift();
  }
}

function isLocked(lock: Entry['lock'], nowMs: number): boolean {
  return lock !== undefined && lock.untilMs > nowMs;
}
