import type { ShelfCollection } from './shelf.ts';
import type { LiveCollection } from './store.ts';

/** How a value is written down and made again. */
export interface EntityCodec<T> {
  /** Plain data, bytes, maps and certificates. */
  encode(value: T): unknown;
  decode(state: unknown, key: string): T;
}

/** A map that is written through; a value that changes in place has to be {@link touch}ed. */
export class StoredMap<T> extends Map<string, T> {
  readonly #collection: ShelfCollection;

  constructor(open: (live: LiveCollection) => ShelfCollection, codec?: EntityCodec<T>) {
    super();
    const encode = codec ? (value: T) => codec.encode(value) : (value: T): unknown => value;
    const encodeFound = (value: T | undefined): unknown => (value === undefined ? undefined : encode(value));
    this.#collection = open({
      entries: () => [...this].map(([key, value]) => [key, encode(value)] as const),
      find: (key) => encodeFound(this.get(key)),
    });
    for (const [key, state] of this.#collection.stored) {
      super.set(key, codec ? codec.decode(state, key) : (state as T));
    }
  }

  override set(key: string, value: T): this {
    super.set(key, value);
    this.touch(key);
    return this;
  }

  override delete(key: string): boolean {
    const wasThere = super.delete(key);
    if (wasThere) this.touch(key);
    return wasThere;
  }

  override clear(): void {
    for (const key of this.keys()) this.delete(key);
  }

  /** The value under this key has changed in place. */
  touch(key: string): void {
    this.#collection.touch(key);
  }
}
