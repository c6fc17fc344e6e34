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

const noBytes = Buffer.alloc(0);

/** Packets on their way to a client: everything said in one turn of the event loop leaves in one TLS record. */
export class Outgoing {
  readonly #stream: Duplex;
  readonly #committed: OutgoingOptions['committed'];
  readonly #onFailure: OutgoingOptions['onFailure'];
  readonly #onWritten: OutgoingOptions['onWritten'];
  /** Encoded packets, `#length` bytes of them. */
  #bytes: Buffer = noBytes;
  #length = 0;
  #isScheduled = false;
  #isCorked = false;

  constructor({ stream, committed, onFailure, onWritten }: OutgoingOptions) {
    this.#stream = stream;
    this.#committed = committed;
    this.#onFailure = onFailure;
    this.#onWritten = onWritten;
  }

  send(packet: Packet): void {
    const encoded = generate(packet);
    this.#makeRoom(encoded.length);
    this.#length += encoded.copy(this.#bytes, this.#length);
    this.#schedule();
  }

  /** Sends a PUBACK (MQTT 3.1.1 section 3.4), the packet that a hub writes most. */
  acknowledge(messageId: number): void {
    this.#makeRoom(pubackBytes);
    this.#length = this.#bytes.writeUInt32BE(0x4002_0000 + messageId, this.#length);
    this.#schedule();
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
    this.#bytes = noBytes;
    this.#length = 0;
  }

  /** The first packet gets what it needs, since most are alone. */
  #makeRoom(length: number): void {
    if (this.#length + length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(this.#length === 0 ? length : Math.max(64, 2 * (this.#length + length)));
    if (this.#length > 0) this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }

  #schedule(): void {
    if (this.#stream.writableLength + this.#length > mostUnreadBytes) {
      this.#onFailure(`the client has left more than ${mostUnreadBytes} bytes unread`);
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(() => this.#flush());
    }
  }

  /** Nothing that acknowledges a change leaves before the change is safe. */
  #flush(): void {
    if (this.#length === 0) {
      this.#isScheduled = false;
      return;
    }
    const unsettled = this.#committed?.();
    if (unsettled === undefined) {
      this.#write();
      return;
    }
    unsettled.then(
      () => this.#write(),
      (error: unknown) => this.#onFailure(error instanceof Error ? error.message : String(error)),
    );
  }

  #write(): void {
    this.#isScheduled = false;
    const bytes = this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
    this.clear();
    if (bytes.length === 0 || !this.#stream.writable) return;
    this.#stream.write(bytes);
    this.#onWritten();
  }
}
