import { parser as createParser, type IPublishPacket, type Packet } from 'mqtt-packet';
import { largestPacketBytes } from './packet-limit.ts';

/** Options of {@link PacketReader}. */
export interface PacketReaderOptions {
  readonly onPacket: (packet: Packet) => void;
  /** Called once: what follows can't be read. */
  readonly onFailure: (reason: string) => void;
}

/** First byte of a PUBLISH, with QoS and flags in its lower half (MQTT 3.1.1 section 3.3.1). */
const publishType = 3;

const noBytes = Buffer.alloc(0);

/**
 * Cuts a client's bytes into packets. A PUBLISH that lies whole in what was read at once, as nearly all that a hub gets
 * do, is read here; everything else, and what is malformed, goes to mqtt-packet as it arrives.
 */
export class PacketReader {
  readonly #onPacket: PacketReaderOptions['onPacket'];
  readonly #onFailure: PacketReaderOptions['onFailure'];
  /** Undefined between packets: a parser for each of ten thousand idle connections would be much memory. */
  #parser: ReturnType<typeof createParser> | undefined;
  #isStopped = false;
  /** Of the packet that mqtt-packet is given: bytes of its fixed header so far; 0 between packets. */
  #headerBytes = 0;
  #isHeaderWhole = false;
  /** Remaining length, then what is still owed of it. */
  #owedBytes = 0;
  /** A device sends to one topic over and over. */
  #topicBytes: Buffer = noBytes;
  #topic = '';

  constructor({ onPacket, onFailure }: PacketReaderOptions) {
    this.#onPacket = onPacket;
    this.#onFailure = onFailure;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isStopped) {
      const end = this.#headerBytes === 0 ? this.#readPublish(chunk, at) : at;
      at = end > at ? end : this.#handOn(chunk, at);
    }
  }

  /** Nothing more is read. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Returns where the packet ends; `start` where there is no whole and well-formed PUBLISH. */
  #readPublish(chunk: Buffer, start: number): number {
    const flags = chunk[start] ?? 0;
    const qos = (flags >> 1) & 3;
    if (flags >> 4 !== publishType || qos === 3) return start;
    const body = bodyStart(chunk, start);
    const end = body === undefined ? Infinity : body + remainingLength(chunk, start, body);
    if (body === undefined || end > chunk.length || end - body > largestPacketBytes || end - body < 2) return start;
    const topicEnd = body + 2 + chunk.readUInt16BE(body);
    const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
    if (payloadStart > end) return start;
    const packet: IPublishPacket = {
      cmd: 'publish',
      topic: this.#topicOf(chunk, body + 2, topicEnd),
      payload: chunk.subarray(payloadStart, end),
      qos: qos as 0 | 1 | 2,
      dup: (flags & 8) !== 0,
      retain: (flags & 1) !== 0,
    };
    if (qos > 0) packet.messageId = chunk.readUInt16BE(topicEnd);
    this.#onPacket(packet);
    return end;
  }

  #topicOf(chunk: Buffer, start: number, end: number): string {
    const known = this.#topicBytes;
    if (known.length === end - start && known.compare(chunk, start, end) === 0) return this.#topic;
    this.#topicBytes = Buffer.from(chunk.subarray(start, end));
    this.#topic = this.#topicBytes.toString('utf8');
    return this.#topic;
  }

  /** Gives mqtt-packet what there is of one packet; returns where that ends. */
  #handOn(chunk: Buffer, start: number): number {
    let at = start;
    while (at < chunk.length && !this.#isHeaderWhole) this.#addHeader(chunk[at++] ?? 0);
    if (this.#owedBytes > largestPacketBytes) {
      this.#fail(`packet larger than ${largestPacketBytes} bytes`);
      return at;
    }
    const end = this.#isHeaderWhole ? Math.min(chunk.length, at + this.#owedBytes) : at;
    this.#owedBytes -= end - at;
    const parser = (this.#parser ??= this.#newParser());
    if (this.#isHeaderWhole && this.#owedBytes === 0) {
      this.#headerBytes = 0;
      this.#isHeaderWhole = false;
      this.#parser = undefined;
    }
    parser.parse(chunk.subarray(start, end));
    return end;
  }

  #newParser(): ReturnType<typeof createParser> {
    const parser = createParser();
    parser.on('packet', (packet) => {
      if (!this.#isStopped) this.#onPacket(packet);
    });
    parser.on('error', (error: Error) => this.#fail(`protocol error: ${error.message}`));
    return parser;
  }

  /** MQTT 3.1.1 section 2.2: one byte of type and flags, then one to four of length, the lowest seven bits first. */
  #addHeader(byte: number): void {
    this.#headerBytes += 1;
    if (this.#headerBytes === 1) {
      this.#owedBytes = 0;
      return;
    }
    this.#owedBytes += (byte & 0x7f) * 128 ** (this.#headerBytes - 2);
    this.#isHeaderWhole = byte < 0x80;
    // mqtt-packet says what is wrong with a fifth byte of length.
    if (this.#headerBytes === 5) this.#isHeaderWhole = true;
  }

  #fail(reason: string): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#onFailure(reason);
  }
}

/** Undefined where the length isn't whole or has a fifth byte. */
function bodyStart(chunk: Buffer, start: number): number | undefined {
  for (let at = start + 1; at < start + 5; at += 1) {
    const byte = chunk[at];
    if (byte === undefined) return undefined;
    if (byte < 0x80) return at + 1;
  }
  return undefined;
}

function remainingLength(chunk: Buffer, start: number, body: number): number {
  let length = 0;
  for (let at = body - 1; at > start; at -= 1) length = length * 128 + ((chunk[at] ?? 0) & 0x7f);
  return length;
}
