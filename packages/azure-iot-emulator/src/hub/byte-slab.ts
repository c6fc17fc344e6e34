/** What one slab holds. */
const slabBytes = 64 * 1024;

/**
 * Memory for many small byte arrays that are written one after the other and forgotten in that order. An array object for
 * each would cost more than it holds.
 */
export class ByteSlab {
  readonly bytes: Uint8Array;
  #used = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(Math.max(slabBytes, length));
  }

  hasRoomFor(length: number): boolean {
    return this.#used + length <= this.bytes.length;
  }

  /** Returns where the copy begins. */
  copy(source: Uint8Array): number {
    const start = this.#used;
    this.bytes.set(source, start);
    this.#used += source.length;
    return start;
  }
}
