import type { LiveCollection, Store } from './store.ts';
import { StoredMap, type EntityCodec } from './stored-map.ts';

/** An owner's part of a {@link Store}: its maps are loaded with what is stored and write through. */
export interface Shelf {
  /** A map of the owner's; without a codec its values are plain data that is replaced and never changed in place. */
  map<T>(name: string, codec?: EntityCodec<T>): StoredMap<T>;
  /** A single value, made by `make` where none is stored. */
  value<T>(name: string, make: () => T): { current: T };
  /** A collection that the owner keeps in a form of its own. */
  collection(name: string, live: LiveCollection): ShelfCollection;
  /** A part of this part. */
  shelf(name: string): Shelf;
  /** Deletes everything in it. */
  drop(): void;
}

/** What {@link Shelf.collection} gives. */
export interface ShelfCollection {
  /** What was stored, in the order of creation. */
  readonly stored: readonly (readonly [key: string, state: unknown])[];
  touch(key: string | number): void;
}

/** A shelf whose collections' names start with a prefix. */
export class StoreShelf implements Shelf {
  readonly #store: Store;
  readonly #prefix: string;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  map<T>(name: string, codec?: EntityCodec<T>): StoredMap<T> {
    return new StoredMap((live) => this.collection(name, live), codec);
  }

  value<T>(name: string, make: () => T): { current: T } {
    const map = this.map<T>(name);
    if (!map.has('value')) map.set('value', make());
    return {
      get current() {
        return map.get('value') as T;
      },
      set current(value: T) {
        map.set('value', value);
      },
    };
  }

  collection(name: string, live: LiveCollection): ShelfCollection {
    const path = `${this.#prefix}${name}`;
    return { stored: this.#store.claim(path, live), touch: (key) => this.#store.touch(path, key) };
  }

  shelf(name: string): Shelf {
    return new StoreShelf(this.#store, `${this.#prefix}${name}/`);
  }

  drop(): void {
    this.#store.drop(this.#prefix);
  }
}
