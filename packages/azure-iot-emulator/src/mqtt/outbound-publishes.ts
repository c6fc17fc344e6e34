interface Waiting {
  readonly acknowledged: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Identifiers above belong to messages that are known by theirs on every connection. */
const lastOwnId = 0x7fff;

/** QoS 1 packets that the client has not acknowledged yet (MQTT 3.1.1 section 4.3.2), by packet identifier. */
export class OutboundPublishes {
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  /**
   * Takes a packet identifier, a free one where none is wanted. The promise settles with {@link acknowledge} or
   * {@link failAll}; a packet that waits already and is sent again gets the promise it had.
   */
  add(wantedId?: number): { readonly messageId: number; readonly acknowledged: Promise<void> } {
    const messageId = wantedId ?? this.#freeId();
    const waiting = this.#waiting.get(messageId) ?? newWaiting();
    this.#waiting.set(messageId, waiting);
    return { messageId, acknowledged: waiting.acknowledged };
  }

  /** An identifier that nobody waits for is ignored: the packet was sent twice. */
  acknowledge(messageId: number): void {
    this.#waiting.get(messageId)?.resolve();
    this.#waiting.delete(messageId);
  }

  failAll(reason: Error): void {
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }

  #freeId(): number {
    let tries = 0;
    do {
      if ((tries += 1) > lastOwnId) throw new RangeError(`all ${lastOwnId} packet identifiers are in flight`);
      this.#lastId = (this.#lastId % lastOwnId) + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}

function newWaiting(): Waiting {
  let resolve: () => void = () => undefined;
  let reject: (reason: Error) => void = () => undefined;
  const acknowledged = new Promise<void>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  return { acknowledged, resolve, reject };
}
