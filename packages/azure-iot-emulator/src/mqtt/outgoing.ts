import type { Duplex } from 'node:stream';
import { generate, type Packet } from 'mqtt-packet';

/** Options of {@link Outgoing}. */
export interface OutgoingOptions {
  readonly stream: Duplex;
  /** What has to be settled before anything more is said: undefined where nothing is. */
  readonly committed: (() => Promise<void> | undefined) | undefined;
  /** Called when the client leaves more unread than {@link mostUnreadBytes}, or when committing fails. */
  readonly onFailure: (reason: string) => void;
  /** Called after each write, since it may have been one too many for now. */
  readonly onWritten: () => void;
}

/** What a client may leave unread: a full queue of the largest cloud-to-device messages, and as much again. */
export const mostUnreadBytes = 8 * 1024 * 1024;

const pubackBytes = 4;

/** Packets on their way to a client: everything said in one turn of the event loop leaves in one TLS record. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  /** Encoded packets; a number is the identifier of a PUBACK, the packet that a hub writes most. */
  #waiting: (Buffer | number)[] = [];
  #waitingBytes = 0;
  #isScheduled = false;
  #isCorked = false;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  send(packet: Packet): void {
    if (packet.cmd === 'puback') {
      this.#waiting.push(packet.messageId ?? 0);
      this.#waitingBytes += pubackBytes;
    } else {
      const bytes = generate(packet);
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
    const { stream, onFailure } = this.#options;
    if (stream.writableLength + this.#waitingBytes > mostUnreadBytes) {
      onFailure(`the client has left more than ${mostUnreadBytes} bytes unread`);
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(() => this.#flush());
    }
  }

  /** From here to {@link uncork} packets wait for each other: one read of the client's is answered by one write. */
  cork(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#isCorked = true;
  }

  uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#flush();
  }

  /** Forgets what wasn't written yet. */
  clear(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Nothing that acknowledges a change leaves before the change is safe. */
  #flush(): void {
    if (this.#waiting.length === 0) {
      this.#isScheduled = false;
      return;
    }
    const unsettled = this.#options.committed?.();
    if (unsettled === undefined) {
      this.#write();
      return;
    }
    unsettled.then(
      () => this.#write(),
      (error: unknown) => this.#options.onFailure(error instanceof Error ? error.message : String(error)),
    );
  }

  #write(): void {
    this.#isScheduled = false;
    const bytes = joined(this.#waiting, this.#waitingBytes);
    this.clear();
    if (bytes.length === 0 || !this.#options.stream.writable) return;
    this.#options.stream.write(bytes);
    this.#options.onWritten();
  }
}

function joined(packets: readonly (Buffer | number)[], length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const packet of packets) {
    if (typeof packet === 'number') {
      // MQTT 3.1.1 section 3.4.
      bytes.writeUInt16BE(0x4002, at);
      bytes.writeUInt16BE(packet, at + 2);
      at += pubackBytes;
    } else {
      at += packet.copy(bytes, at);
    }
  }
  return bytes;
}
