import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { hubSize, maximumBytes, type StoredMessage } from './telemetry-message.ts';

/** When and how far messages are joined. IoT Hub meters in steps of 4 KB, so that small messages cost less together. */
export interface BatchOptions {
  /** Default 100. */
  readonly maxMessages?: number;
  /** Bytes of the array, before it is compressed; default 65,536, at most what a hub message takes. */
  readonly maxBytes?: number;
  /** Milliseconds that a message waits for others; default 1,000. `flush` and `stop` don't wait. */
  readonly delayMs?: number;
}

/** One hub message, and what it carries. */
export interface Shipment {
  readonly message: StoredMessage;
  readonly items: readonly StoredMessage[];
}

/** Application property that tells a batch from a message whose body is an array of its own. */
export const batchCountName = 'batch-count';

export const defaultBatchBytes = 65_536;

/** Room for the batch's own properties. */
const propertyRoom = 1024;

/** Joins messages to batches, in order: what can't be joined ends the batch before it and goes by itself. */
export class BatchJoiner {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #compressAboveBytes: number;
  #open: { readonly key: string; readonly items: StoredMessage[]; readonly parts: string[]; bytes: number } | undefined;

  constructor({ maxMessages = 100, maxBytes = defaultBatchBytes }: BatchOptions, compressAboveBytes = Infinity) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#compressAboveBytes = compressAboveBytes;
  }

  /** Messages that wait for others. */
  get openCount(): number {
    return this.#open?.items.length ?? 0;
  }

  /** @returns what is ready to go */
  add(message: StoredMessage): Shipment[] {
    const part = toPart(message);
    if (part === undefined) return [...this.take(), { message, items: [message] }];
    const bytes = Buffer.byteLength(part) + 1;
    const key = JSON.stringify(message.properties);
    const limit = Math.min(this.#maxBytes, maximumBytes - propertyRoom - Buffer.byteLength(key));
    if (bytes + 2 > limit) return [...this.take(), { message, items: [message] }];
    const ready = this.#open && (this.#open.key !== key || this.#open.bytes + bytes > limit) ? this.take() : [];
    this.#open ??= { key, items: [], parts: [], bytes: 2 };
    this.#open.items.push(message);
    this.#open.parts.push(part);
    this.#open.bytes += bytes;
    return this.#open.items.length >= this.#maxMessages ? [...ready, ...this.take()] : ready;
  }

  /** What waits for others goes now. */
  take(): Shipment[] {
    const open = this.#open;
    this.#open = undefined;
    const [first] = open?.items ?? [];
    if (!open || !first) return [];
    return [{ message: this.#join(first, open.items, open.parts), items: open.items }];
  }

  #join(first: StoredMessage, items: readonly StoredMessage[], parts: readonly string[]): StoredMessage {
    const plain = Buffer.from(`[${parts.join(',')}]`);
    const isCompressed = plain.length > this.#compressAboveBytes;
    const message = {
      ...first,
      messageId: batchId(items),
      body: isCompressed ? gzipSync(plain) : plain,
      contentEncoding: isCompressed ? 'gzip' : first.contentEncoding,
      properties: { ...first.properties, [batchCountName]: String(items.length) },
    };
    return { ...message, size: hubSize(message) };
  }
}

/** The same for the same messages, and another for others: a batch may be joined anew after a restart. */
function batchId(items: readonly StoredMessage[]): string {
  const hash = createHash('sha256');
  for (const { messageId } of items) hash.update(messageId).update('\n');
  return `batch-${hash.digest('hex').slice(0, 32)}`;
}

/** An element of the array; undefined where the body isn't JSON. */
function toPart({ messageId, createdAt, body, contentType, contentEncoding }: StoredMessage): string | undefined {
  if (contentType !== 'application/json' || contentEncoding !== 'utf-8') return undefined;
  const text = body.toString('utf8');
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  return `{"id":${JSON.stringify(messageId)},"time":"${createdAt}","body":${text}}`;
}
