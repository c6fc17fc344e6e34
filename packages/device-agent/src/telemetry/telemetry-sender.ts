import type { Clock } from '../clock.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import { BatchJoiner, type Shipment } from './batch.ts';
import type { OutboxEvent, OutboxOptions } from './outbox-options.ts';
import type { Outbox } from './outbox.ts';
import type { StoredMessage } from './telemetry-message.ts';

/** What the sender needs of a connection to the hub. */
export interface TelemetrySession {
  /** Resolves when the hub has acknowledged the message (PUBACK). */
  send(message: StoredMessage): Promise<void>;
  /** Ends a session that no longer works. */
  abandon(reason: string | DeviceAgentError): void;
}

export interface TelemetrySenderOptions extends Pick<OutboxOptions, 'batch' | 'compressAboveBytes'> {
  readonly clock: Clock;
  readonly onEvent: (event: OutboxEvent) => void;
}

/** Unacknowledged on the wire at one time: enough to hide the round trip, little enough to be repeated. */
const window = { count: 256, bytes: 1024 * 1024 };

/** Sends the outbox in order over whatever session there is; a message leaves the disk when the hub has acknowledged it. */
export class TelemetrySender {
  readonly #outbox: Outbox;
  readonly #options: TelemetrySenderOptions;
  readonly #joiner: BatchJoiner | undefined;
  #session: TelemetrySession | undefined;
  #inFlight = { count: 0, bytes: 0 };
  #delay: AbortController | undefined;
  #waiting: (() => void)[] = [];

  constructor(outbox: Outbox, options: TelemetrySenderOptions) {
    this.#outbox = outbox;
    this.#options = options;
    if (options.batch) this.#joiner = new BatchJoiner(options.batch, options.compressAboveBytes);
    outbox.onAdded = () => this.wake();
  }

  /** What an earlier session didn't see acknowledged is sent again, with the same message ID. */
  connected(session: TelemetrySession): void {
    this.#reset();
    this.#session = session;
    this.#outbox.startReading();
    this.wake();
  }

  disconnected(): void {
    if (!this.#session) return;
    this.#reset();
    this.#outbox.stopReading();
    this.#tellKept();
  }

  /** Sends what the window has room for. It is filled when half of it is free, so that the outbox is read in pages. */
  wake(): void {
    const session = this.#session;
    try {
      while (session && session === this.#session && this.#hasRoom()) {
        const { count, bytes } = this.#inFlight;
        const messages = this.#outbox.next(window.count - count, window.bytes - bytes);
        if (messages.length === 0) break;
        for (const message of messages) this.#take(session, message);
      }
    } catch (error) {
      // Tried again on the next connection, after the time that this takes.
      session?.abandon(error instanceof DeviceAgentError ? error : `the outbox can't be read: ${textOf(error)}`);
    }
    if (this.#joiner && this.#joiner.openCount > 0) this.#waitForOthers(this.#joiner);
  }

  /** Resolves when the outbox is empty, or when the sender has ended. */
  async empty(): Promise<void> {
    if (this.#outbox.count === 0) return;
    const emptied = new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
    this.wake();
    await emptied;
  }

  end(): void {
    if (this.#session) this.disconnected();
    else this.#tellKept();
    this.#releaseWaiting();
  }

  #hasRoom(): boolean {
    return this.#inFlight.count <= window.count / 2 && this.#inFlight.bytes <= window.bytes / 2;
  }

  #reset(): void {
    this.#session = undefined;
    this.#inFlight = { count: 0, bytes: 0 };
    this.#delay?.abort();
    this.#delay = undefined;
    this.#joiner?.take();
  }

  #take(session: TelemetrySession, message: StoredMessage): void {
    if (!this.#joiner) this.#send(session, { message, items: [message] });
    else for (const shipment of this.#joiner.add(message)) this.#send(session, shipment);
  }

  /** Whoever waits for an empty outbox doesn't wait for more to come into it. */
  #waitForOthers(joiner: BatchJoiner): void {
    if (this.#waiting.length > 0) this.#sendOpen(joiner);
    if (this.#delay || joiner.openCount === 0) return;
    const delay = new AbortController();
    this.#delay = delay;
    this.#options.clock.delay(this.#options.batch?.delayMs ?? 1_000, delay.signal).then(
      () => this.#sendOpen(joiner),
      () => undefined,
    );
  }

  #sendOpen(joiner: BatchJoiner): void {
    this.#delay?.abort();
    this.#delay = undefined;
    const session = this.#session;
    if (session) for (const shipment of joiner.take()) this.#send(session, shipment);
  }

  #send(session: TelemetrySession, shipment: Shipment): void {
    this.#inFlight.count += 1;
    this.#inFlight.bytes += shipment.message.size;
    const beganMs = performance.now();
    session.send(shipment.message).then(
      () => {
        this.#tellPublished(shipment, performance.now() - beganMs);
        this.#acknowledged(session, shipment);
      },
      (error: unknown) => {
        this.#tellPublished(shipment, performance.now() - beganMs, error);
        // The next session begins with this message; one that still stands has stopped acknowledging.
        if (this.#session === session) session.abandon('a telemetry message was not acknowledged');
      },
    );
  }

  #acknowledged(session: TelemetrySession, { message, items }: Shipment): void {
    // What an earlier session's hub took is sent again by this one: it may have been lost with the connection.
    if (this.#session !== session) return;
    this.#inFlight.count -= 1;
    this.#inFlight.bytes -= message.size;
    for (const item of items) {
      this.#outbox.acknowledge(item);
      this.#options.onEvent({ type: 'telemetry-acknowledged', messageId: item.messageId });
    }
    if (this.#outbox.count === 0) this.#releaseWaiting();
    else if (this.#hasRoom()) this.wake();
  }

  #tellPublished({ message, items }: Shipment, durationMs: number, error?: unknown): void {
    const { messageId, size, properties } = message;
    this.#options.onEvent({
      type: 'telemetry-published',
      messageId,
      count: items.length,
      bytes: size,
      properties,
      durationMs,
      ...(error !== undefined && { error }),
    });
  }

  #tellKept(): void {
    const { count, bytes } = this.#outbox;
    if (count > 0) this.#options.onEvent({ type: 'telemetry-kept', count, bytes });
  }

  #releaseWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
