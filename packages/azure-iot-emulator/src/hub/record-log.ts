import type { StartTimer } from '../mqtt/timer.ts';
import type { Shelf, ShelfCollection } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import { ChangeSignal } from './change-signal.ts';

/** A record with its place in its log; places start at 1 and never repeat. */
export interface LogRecord {
  readonly sequenceNumber: number;
}

/** A record that is written out when somebody reads it, since most are never read. */
export interface Unopened<T extends LogRecord> extends LogRecord {
  /** As `sizeOf` would say. */
  readonly size: number;
  open(): T;
}

/** Options of {@link RecordLog}. */
export interface RecordLogOptions<T> {
  /** The oldest records go when there are more than this. */
  readonly mostRecords: number;
  /** The oldest records go when their sizes sum up to more than this. */
  readonly mostBytes: number;
  readonly sizeOf: (record: T) => number;
  readonly startTimer: StartTimer;
  /** Default: the log is kept in memory alone. */
  readonly shelf?: Shelf;
}

/** Dropped records that may still take memory. */
const mostDropped = 4096;

/** What happened at a hub, in order, bounded by number and size: a place to read telemetry and feedback from. */
export class RecordLog<T extends LogRecord> {
  readonly #options: RecordLogOptions<T>;
  readonly #signal: ChangeSignal;
  readonly #kept: ShelfCollection;
  readonly #subscribers = new Set<(record: T) => void>();
  /** The kept records stand from `#first` on; the rest is cut off now and then instead of at each append. */
  #records: (T | Unopened<T>)[] = [];
  #first = 0;
  #bytes = 0;
  #lastSequenceNumber = 0;
  #isClosed = false;

  constructor(options: RecordLogOptions<T>) {
    this.#options = options;
    this.#signal = new ChangeSignal(options.startTimer);
    this.#kept = (options.shelf ?? looseShelf()).collection('records', {
      entries: () => this.list().map((record) => [String(record.sequenceNumber), record] as const),
      find: (key) => this.#find(Number(key)),
    });
    for (const [, record] of this.#kept.stored) this.#take(record as T);
  }

  /** Sequence number of the newest record ever appended; 0 before the first. */
  get lastSequenceNumber(): number {
    return this.#lastSequenceNumber;
  }

  /** Kept records with a sequence number above `after` (default 0), oldest first. */
  list(after = 0): T[] {
    const firstKept = this.#records[this.#first]?.sequenceNumber ?? 0;
    const start = this.#first + Math.max(0, after + 1 - firstKept);
    const listed: T[] = [];
    for (let index = start; index < this.#records.length; index += 1) listed.push(this.#open(index));
    return listed;
  }

  /**
   * The oldest record above `after` that fits, now or within `timeoutMs`.
   *
   * @param wait.after - sequence number; default 0, which takes kept records into account
   * @returns undefined when the time is over or the hub is closed
   */
  waitFor(
    predicate: (record: T) => boolean,
    wait: { readonly timeoutMs: number; readonly after?: number },
  ): Promise<T | undefined> {
    let seen = wait.after ?? 0;
    return this.#signal.until(() => {
      const fresh = this.list(seen);
      seen = this.#lastSequenceNumber;
      return fresh.find(predicate);
    }, wait.timeoutMs);
  }

  /** Calls `listener` with each new record; what it returns ends that. */
  subscribe(listener: (record: T) => void): () => void {
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  }

  /** All kept records, then each new one, until the hub is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.follow(0);
  }

  /** Kept records above `after`, then each new one, until the hub is closed or the reader leaves. */
  follow(after: number): AsyncGenerator<T, void, undefined> {
    const left = new AbortController();
    const records = this.#follow(after, left.signal);
    const leave = records.return.bind(records);
    // A generator that waits would hear of it with the next record only.
    return Object.assign(records, {
      return: (value: void | PromiseLike<void>) => {
        left.abort();
        return leave(value);
      },
    });
  }

  /** Adds what `make` builds for the next sequence number. */
  append(make: (sequenceNumber: number) => T): T {
    const record = make(this.#lastSequenceNumber + 1);
    this.#add(record);
    return record;
  }

  /** Adds a record that nobody has to read at once; it has the next sequence number. */
  protected appendUnopened(record: Unopened<T>): void {
    this.#add(record);
  }

  close(): void {
    this.#isClosed = true;
    this.#signal.close();
  }

  async *#follow(after: number, left: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen = after;
    while (!this.#isClosed && !left.aborted) {
      const fresh = this.list(seen);
      for (const record of fresh) {
        seen = record.sequenceNumber;
        yield record;
      }
      if (fresh.length === 0) await this.#signal.until(() => this.list(seen)[0], Number.MAX_SAFE_INTEGER, left);
    }
  }

  #find(sequenceNumber: number): T | undefined {
    const oldest = this.#records[this.#first];
    const index = this.#first + sequenceNumber - (oldest?.sequenceNumber ?? 0);
    return index >= this.#first && index < this.#records.length ? this.#open(index) : undefined;
  }

  #open(index: number): T {
    const record = this.#records[index];
    if (record === undefined) throw new RangeError(`no record at ${index}`);
    // Not kept: what was read would take several times as much memory as what was not.
    return opened(record);
  }

  #sizeOf(record: T | Unopened<T>): number {
    return isUnopened(record) ? record.size : this.#options.sizeOf(record);
  }

  #add(record: T | Unopened<T>): void {
    this.#kept.touch(record.sequenceNumber);
    if (this.#subscribers.size > 0) this.#tell(opened(record));
    else this.#take(record);
    this.#signal.changed();
  }

  #tell(record: T): void {
    this.#take(record);
    for (const listener of this.#subscribers) listener(record);
  }

  #take(record: T | Unopened<T>): void {
    this.#lastSequenceNumber = record.sequenceNumber;
    this.#records.push(record);
    this.#bytes += this.#sizeOf(record);
    this.#dropOldest();
  }

  #dropOldest(): void {
    const { mostRecords, mostBytes } = this.#options;
    let oldest = this.#records[this.#first];
    while (oldest && (this.#records.length - this.#first > mostRecords || this.#bytes > mostBytes)) {
      this.#bytes -= this.#sizeOf(oldest);
      this.#first += 1;
      this.#kept.touch(oldest.sequenceNumber);
      oldest = this.#records[this.#first];
    }
    if (this.#first > mostDropped) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
  }
}

function opened<T extends LogRecord>(record: T | Unopened<T>): T {
  return isUnopened(record) ? record.open() : record;
}

function isUnopened<T extends LogRecord>(record: T | Unopened<T>): record is Unopened<T> {
  return 'open' in record;
}
