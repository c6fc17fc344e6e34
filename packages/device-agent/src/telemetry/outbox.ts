import { systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import type { FolderDatabase, GroupedWrite } from '../state/folder-database.ts';
import type { StateStore } from '../state/state-store.ts';
import type { OutboxEvent, OutboxOptions } from './outbox-options.ts';
import { OutboxReader } from './outbox-reader.ts';
import { OutboxRoom } from './outbox-room.ts';
import { OutboxTable } from './outbox-table.ts';
import { OutboxTotals } from './outbox-totals.ts';
import {
  prepareMessage,
  type PreparedMessage,
  type StoredMessage,
  type TelemetryMessage,
} from './telemetry-message.ts';

type DropReason = Extract<OutboxEvent, { type: 'telemetry-dropped' }>['reason'];

/** A message between `add` and its commit. */
interface Adding {
  readonly message: PreparedMessage;
  readonly resolve: (message: StoredMessage) => void;
  readonly reject: (error: DeviceAgentError) => void;
  stored?: StoredMessage;
}

/** What becomes true with the commit of the running transaction. */
interface Staged {
  readonly adding: readonly Adding[];
  readonly totals: OutboxTotals;
  readonly droppedForAge: string[];
  readonly droppedForRoom: string[];
  readonly doneThrough: number;
  readonly doneAhead: readonly number[];
  lastSequence: number;
}

/** How often the age of what waits is looked at, at most, when something is added. */
const ageCheckMs = 60_000;

/**
 * Telemetry on disk, first in, first out.
 *
 * One reader takes messages and acknowledges them; between the two they are in flight. All that happens in one turn of the
 * event loop shares one transaction. A lost removal only repeats a message, so removals don't wait for the disk.
 *
 * Its time line isn't the clock, which may be set at any time: it begins there with each first message, goes on evenly while
 * the outbox is open, and after a restart from the newest message. How long a device was off can't be told from a clock that
 * was set.
 */
export class Outbox implements GroupedWrite {
  /** Called when messages have come in. */
  onAdded: () => void = () => undefined;
  readonly #database: FolderDatabase;
  readonly #table: OutboxTable;
  readonly #reader: OutboxReader;
  readonly #room: OutboxRoom;
  readonly #compressAboveBytes: number | undefined;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  readonly #onEvent: (event: OutboxEvent) => void;
  #adding: Adding[] = [];
  #staged: Staged | undefined;
  #totals = new OutboxTotals();
  #lastSequence = 0;
  #forgottenThrough = 0;
  #nowMs: number;
  #ageCheckedMs = 0;
  /** From the clock's elapsed time to the time line. */
  #offsetMs: number;

  constructor(
    store: StateStore,
    options: OutboxOptions & { readonly clock?: Clock } = {},
    onEvent: (event: OutboxEvent) => void = () => undefined,
  ) {
    const { clock = systemClock } = options;
    const { maxBytes = 64 * 1024 * 1024, maxAgeMs = 7 * 86_400_000, whenFull = 'drop-oldest' } = options;
    this.#database = store.database;
    this.#table = new OutboxTable(store);
    this.#reader = new OutboxReader(this.#table);
    this.#room = new OutboxRoom(this.#table, this.#reader, { whenFull, maxBytes });
    // With batches, it is compressed when it is known what goes together.
    this.#compressAboveBytes = options.batch ? undefined : options.compressAboveBytes;
    this.#maxAgeMs = maxAgeMs;
    this.#clock = clock;
    this.#onEvent = onEvent;
    const totals = this.#table.totals();
    for (const entry of totals) {
      this.#totals.addMany(entry);
      this.#lastSequence = Math.max(this.#lastSequence, entry.lastSequence);
    }
    this.#nowMs = Math.max(0, ...totals.map(({ newestMs }) => newestMs));
    this.#offsetMs = this.#nowMs - elapsedMs(clock);
  }

  /** Messages that the hub hasn't acknowledged. */
  get count(): number {
    return this.#totals.count;
  }

  /** What they take of `maxBytes`. */
  get bytes(): number {
    return this.#totals.bytes;
  }

  /**
   * Resolves when the message is on disk.
   *
   * @throws {DeviceAgentError} ERR_AGENT_MESSAGE_INVALID, ERR_AGENT_MESSAGE_TOO_LARGE, ERR_AGENT_OUTBOX_FULL, ERR_AGENT_STATE
   */
  add(message: TelemetryMessage): Promise<StoredMessage> {
    return new Promise((resolve, reject) => {
      if (this.#totals.count === 0 && this.#adding.length === 0) this.#beginTimeLine();
      const addedMs = this.#goOn();
      const prepared = prepareMessage(message, { now: this.#clock.now(), addedMs }, this.#compressAboveBytes);
      this.#adding.push({ message: prepared, resolve, reject });
      this.#database.join(this);
    });
  }

  /** A reader comes; it begins with the oldest message. */
  startReading(): void {
    this.#rewind(true);
  }

  /** The reader goes; what was in flight waits again. */
  stopReading(): void {
    this.#rewind(false);
  }

  /** The oldest messages that aren't in flight, which they are then: as many as the limits allow, and one in any case. */
  next(limit: number, maxBytes: number): StoredMessage[] {
    this.#goOn();
    for (;;) {
      const messages = this.#reader.next(limit, maxBytes);
      const fresh = messages.filter((message) => !this.#isTooOld(message));
      if (fresh.length < messages.length) this.#dropForAge(messages.filter((message) => this.#isTooOld(message)));
      if (fresh.length > 0 || messages.length === 0) return fresh;
    }
  }

  /** The hub has the message: it is forgotten. */
  acknowledge({ sequence }: StoredMessage): void {
    const message = this.#reader.acknowledge(sequence);
    if (!message) return;
    this.#totals.subtract(message);
    this.#database.join(this, false);
  }

  write(): void {
    const staged: Staged = {
      adding: this.#adding,
      totals: this.#totals.copy(),
      droppedForAge: [],
      droppedForRoom: [],
      doneThrough: this.#reader.doneThrough,
      doneAhead: [...this.#reader.acknowledgedAhead],
      lastSequence: this.#lastSequence,
    };
    // It was rolled back and is done again.
    if (this.#staged) this.#room.reset();
    this.#staged = staged;
    if (staged.doneThrough > this.#forgottenThrough) this.#table.removeThrough(staged.doneThrough);
    for (const sequence of staged.doneAhead) this.#table.remove(sequence);
    if (staged.adding.length > 0 && this.#nowMs - this.#ageCheckedMs >= ageCheckMs) this.#removeOld(staged);
    for (const adding of staged.adding) this.#place(adding, staged);
  }

  settle(error: DeviceAgentError | undefined): void {
    const adding = this.#adding;
    const staged = this.#staged;
    this.#adding = [];
    this.#staged = undefined;
    if (error || !staged) {
      this.#room.reset();
      for (const { reject } of adding) if (error) reject(error);
      return;
    }
    this.#totals = staged.totals;
    this.#forgottenThrough = staged.doneThrough;
    for (const sequence of staged.doneAhead) this.#reader.acknowledgedAhead.delete(sequence);
    this.#lastSequence = staged.lastSequence;
    const { droppedForAge, droppedForRoom } = staged;
    for (const { stored } of adding) if (stored) this.#reader.appended(stored);
    if (droppedForAge.length + droppedForRoom.length > 0) this.#reader.forgetRecent(this.#lastSequence);
    for (const { stored, message, resolve, reject } of adding) {
      if (stored) resolve(stored);
      else reject(this.#full(message));
    }
    this.#tellDropped('age', droppedForAge);
    this.#tellDropped('full', droppedForRoom);
    if (adding.length > 0) this.onAdded();
  }

  #rewind(isReading: boolean): void {
    this.#reader.rewind(isReading, this.#lastSequence);
    this.#room.reset();
  }

  #place(adding: Adding, staged: Staged): void {
    const { message } = adding;
    const dropped = this.#room.make(message, staged.totals);
    if (!dropped) return;
    for (const entry of dropped) {
      this.#table.remove(entry.sequence);
      staged.totals.subtract(entry);
      staged.droppedForRoom.push(entry.messageId);
    }
    staged.lastSequence += 1;
    this.#table.insert(staged.lastSequence, message);
    staged.totals.add(message);
    adding.stored = { ...message, sequence: staged.lastSequence };
  }

  /** So that a device that is offline for long keeps what still counts. */
  #removeOld(staged: Staged): void {
    this.#ageCheckedMs = this.#nowMs;
    for (;;) {
      const entries = this.#table.entries(this.#reader.handedOut, 64);
      const old = entries.filter((entry) => this.#isTooOld(entry));
      for (const entry of old) {
        this.#table.remove(entry.sequence);
        staged.totals.subtract(entry);
        staged.droppedForAge.push(entry.messageId);
      }
      if (old.length === 0 || old.length < entries.length) return;
    }
  }

  /** Those were handed out just now, so that the next removal includes them. */
  #dropForAge(messages: readonly StoredMessage[]): void {
    for (const message of messages) this.acknowledge(message);
    this.#tellDropped(
      'age',
      messages.map(({ messageId }) => messageId),
    );
  }

  #isTooOld({ addedMs }: { readonly addedMs: number }): boolean {
    return addedMs < this.#nowMs - this.#maxAgeMs;
  }

  /** Nothing waits: what comes next may have its time from the clock. */
  #beginTimeLine(): void {
    const nowMs = this.#clock.now().getTime();
    this.#offsetMs = nowMs - elapsedMs(this.#clock);
    this.#ageCheckedMs = nowMs;
  }

  #goOn(): number {
    this.#nowMs = Math.round(elapsedMs(this.#clock) + this.#offsetMs);
    return this.#nowMs;
  }

  #tellDropped(reason: DropReason, messageIds: readonly string[]): void {
    if (messageIds.length > 0)
      this.#onEvent({ type: 'telemetry-dropped', reason, count: messageIds.length, messageIds });
  }

  #full({ messageId, size, priority }: PreparedMessage): DeviceAgentError {
    return new DeviceAgentError(
      'ERR_AGENT_OUTBOX_FULL',
      `Message ${messageId} (${size} bytes, priority ${priority}) was not taken: ${this.#totals.count} messages wait with ${this.#totals.bytes} bytes, and the outbox is full.`,
      { advice: 'Raise maxBytes, send less while offline, or choose another whenFull.' },
    );
  }
}

const elapsedMs = (clock: Clock): number => clock.elapsedMs?.() ?? clock.now().getTime();
