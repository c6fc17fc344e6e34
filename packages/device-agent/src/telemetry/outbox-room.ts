import type { OutboxOptions } from './outbox-options.ts';
import type { OutboxReader } from './outbox-reader.ts';
import type { OutboxEntry, OutboxTable } from './outbox-table.ts';
import { roomOf, type OutboxTotals } from './outbox-totals.ts';
import { priorities, type PreparedMessage, type TelemetryPriority } from './telemetry-message.ts';

type WhenFull = NonNullable<OutboxOptions['whenFull']>;

/** Decides what has to go for a new message. What is in flight never does. */
export class OutboxRoom {
  readonly #table: OutboxTable;
  readonly #reader: OutboxReader;
  readonly #whenFull: WhenFull;
  readonly #maxBytes: number;
  /** What of a priority was dropped before ends here, so that nothing is looked through twice. */
  #cursors = new Map<TelemetryPriority | undefined, number>();

  constructor(table: OutboxTable, reader: OutboxReader, rule: { whenFull: WhenFull; maxBytes: number }) {
    this.#table = table;
    this.#reader = reader;
    this.#whenFull = rule.whenFull;
    this.#maxBytes = rule.maxBytes;
  }

  /** Call after a roll-back, and after the reader was set back. */
  reset(): void {
    this.#cursors.clear();
  }

  /**
   * The messages to drop for a new one, which may be none.
   *
   * @param totals - what is in the outbox now
   * @returns undefined where the new one has to stay out
   */
  make(message: PreparedMessage, totals: OutboxTotals): OutboxEntry[] | undefined {
    let missing = totals.bytes + roomOf(message) - this.#maxBytes;
    if (missing <= 0) return [];
    const dropped: OutboxEntry[] = [];
    if (roomOf(message) > this.#maxBytes) return undefined;
    const cursors = new Map(this.#cursors);
    for (const priority of this.#droppable(message)) {
      const { entries, last } = this.#oldest(priority, totals, missing);
      cursors.set(priority, last);
      for (const entry of entries) missing -= roomOf(entry);
      dropped.push(...entries);
      if (missing > 0) continue;
      this.#cursors = cursors;
      return dropped;
    }
    return undefined;
  }

  /** Undefined stands for any. */
  #droppable(message: PreparedMessage): readonly (TelemetryPriority | undefined)[] {
    if (this.#whenFull === 'drop-oldest') return [undefined];
    if (this.#whenFull === 'drop-newest') return [];
    return priorities.slice(0, priorities.indexOf(message.priority) + 1);
  }

  /** As many as are missing, or all there are. */
  #oldest(
    priority: TelemetryPriority | undefined,
    totals: OutboxTotals,
    missing: number,
  ): { readonly entries: OutboxEntry[]; readonly last: number } {
    const { handedOut, inFlight } = this.#reader;
    let last = Math.max(handedOut, this.#cursors.get(priority) ?? 0);
    let waiting = priority
      ? totals.byPriority[priority] - inFlight.byPriority[priority]
      : totals.count - inFlight.count;
    let left = missing;
    const entries: OutboxEntry[] = [];
    while (left > 0 && waiting > 0) {
      const guess = Math.ceil((left * totals.count) / totals.bytes);
      const page = this.#table.entries(last, Math.min(guess, waiting, 64), priority);
      if (page.length === 0) break;
      for (const entry of page) {
        if (left <= 0) break;
        entries.push(entry);
        left -= roomOf(entry);
        waiting -= 1;
        last = entry.sequence;
      }
    }
    return { entries, last };
  }
}
