/** QoS 1 packets that the client has not acknowledged yet (MQTT 3.1.1 section 4.3.2), by packet identifier. */
export class OutboundPublishes {
  readonly #waiting = new Map<number, { resolve: () => void; reject: (reason: Error) => void }>();
  #lastId = 0;

  /** Takes a free packet identifier; the promise settles with {@link acknowledge} or {@link failAll}. */
  add(): { readonly messageId: number; readonly acknowledged: Promise<void> } {
    const messageId = this.#freeId();
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#waiting.set(messageId, { resolve, reject });
    });
    return { messageId, acknowledged };
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
    if (this.#waiting.size === 0xffff) throw new RangeError('all 65535 packet identifiers are in flight');
    do {
      this.#lastId = (this.#lastId % 0xffff) + 1;
    } while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}
