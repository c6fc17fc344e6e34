import type { TelemetryPriority } from './telemetry-message.ts';

/** What a message counts for beside its own size: its row. */
const rowBytes = 100;

/** Bytes that a message takes of the outbox's limit. */
export function roomOf({ size }: { readonly size: number }): number {
  return size + rowBytes;
}

type Counted = { readonly size: number; readonly priority: TelemetryPriority };

/** How many messages, and how much room they take. */
export class OutboxTotals {
  count = 0;
  bytes = 0;
  readonly byPriority: Record<TelemetryPriority, number> = { low: 0, normal: 0, high: 0 };

  add(message: Counted): void {
    this.count += 1;
    this.bytes += roomOf(message);
    this.byPriority[message.priority] += 1;
  }

  /** @param part - `bytes` is the sum of the messages' sizes */
  addMany(part: { readonly count: number; readonly bytes: number; readonly priority: TelemetryPriority }): void {
    this.count += part.count;
    this.bytes += part.bytes + part.count * rowBytes;
    this.byPriority[part.priority] += part.count;
  }

  subtract(message: Counted): void {
    this.count -= 1;
    this.bytes -= roomOf(message);
    this.byPriority[message.priority] -= 1;
  }

  copy(): OutboxTotals {
    const copy = new OutboxTotals();
    copy.count = this.count;
    copy.bytes = this.bytes;
    Object.assign(copy.byPriority, this.byPriority);
    return copy;
  }
}
