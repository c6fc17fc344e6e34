import type { Shelf } from '../data/shelf.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { ByteSlab } from './byte-slab.ts';
import { RecordLog } from './record-log.ts';
import { type ReceivedTelemetry, type TelemetryMessage, telemetrySize, UnreadTelemetry } from './telemetry.ts';

/** What a hub keeps for its readers. */
const bounds = { mostRecords: 50_000, mostBytes: 64 * 1024 * 1024, sizeOf: telemetrySize };

/** What devices sent to a hub: the newest 50,000 messages of 64 MiB in all at most. */
export class TelemetryLog extends RecordLog<TelemetryMessage> {
  #slab = new ByteSlab(0);

  constructor(options: { readonly startTimer: StartTimer; readonly shelf: Shelf }) {
    super({ ...bounds, ...options });
  }

  /** @throws {URIError} where the property bag has a malformed escape */
  take(received: ReceivedTelemetry): void {
    const { length } = received.payload;
    if (!this.#slab.hasRoomFor(length)) this.#slab = new ByteSlab(length);
    const place = { sequenceNumber: this.lastSequenceNumber + 1, slab: this.#slab };
    this.appendUnopened(new UnreadTelemetry(received, place));
  }
}
