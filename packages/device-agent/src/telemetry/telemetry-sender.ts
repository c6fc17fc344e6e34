import type { HubSession } from '../protocol/hub-session.ts';
import type { Outbox, StoredMessage } from './outbox.ts';

/** Unacknowledged messages on the wire at one time: enough to hide the round trip, few enough to be repeated. */
const inFlightLimit = 16;

/** Sends the outbox in order over whatever session there is; a message leaves the disk when the hub has acknowledged it. */
export class TelemetrySender {
  readonly #outbox: Outbox;
  readonly #onAcknowledged: (messageId: string) => void;
  #session: HubSession | undefined;
  #lastSent = 0;
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(outbox: Outbox, onAcknowledged: (messageId: string) => void) {
    this.#outbox = outbox;
    this.#onAcknowledged = onAcknowledged;
  }

  connected(session: HubSession): void {
    this.#session = session;
    // What an earlier session didn't see acknowledged is sent again, with the same message ID.
    this.#lastSent = 0;
    this.#inFlight = 0;
    this.wake();
  }

  disconnected(): void {
    this.#session = undefined;
  }

  /** Call after adding to the outbox. */
  wake(): void {
    const session = this.#session;
    if (!session || this.#inFlight >= inFlightLimit) return;
    for (const message of this.#outbox.after(this.#lastSent, inFlightLimit - this.#inFlight)) {
      this.#lastSent = message.sequence;
      this.#inFlight += 1;
      void this.#send(session, message);
    }
  }

  /** Resolves when the outbox is empty, or when the sender has ended. */
  async empty(): Promise<void> {
    if (this.#outbox.count() === 0) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  end(): void {
    this.#session = undefined;
    this.#releaseWaiting();
  }

  async #send(session: HubSession, message: StoredMessage): Promise<void> {
    try {
      await session.send(message);
    } catch {
      // The next session begins with this message; one that still stands has stopped acknowledging.
      if (this.#session === session) session.abandon('a telemetry message was not acknowledged');
      return;
    }
    if (this.#session !== session) return;
    this.#inFlight -= 1;
    this.#outbox.remove(message.sequence);
    this.#onAcknowledged(message.messageId);
    if (this.#inFlight === 0 && this.#outbox.count() === 0) this.#releaseWaiting();
    else this.wake();
  }

  #releaseWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
