import { entityJson, readEntityJson } from './entity-json.ts';
import { memoryEngine } from './memory-engine.ts';
import { type Shelf, StoreShelf } from './shelf.ts';
import type { EntityChange, StorageEngine, StoredEntity } from './storage-engine.ts';

/** How a collection of live objects is read when it is written down. */
export interface LiveCollection {
  /** In the order of creation. */
  readonly entries: () => Iterable<readonly [key: string, state: unknown]>;
  /** Undefined where there is none any more. */
  readonly find: (key: string) => unknown;
}

/**
 * The live objects of the emulator's planes, written through to an engine.
 *
 * Owners say which key has changed; what is there then is written once, at the end of the event loop's turn, together
 * with everything else that has changed: one transaction, one fsync. What tells a client of a change waits for
 * {@link committed}.
 */
export class Store {
  readonly #engine: StorageEngine;
  readonly #live = new Map<string, LiveCollection>();
  /** What was stored and has no owner yet. */
  readonly #unclaimed = new Map<string, Map<string, string>>();
  #changed = new Map<string, Set<string>>();
  #commit: Promise<void> | undefined;
  #isSealed = false;

  constructor(engine: StorageEngine = memoryEngine()) {
    this.#engine = engine;
    for (const { collection, key, value } of engine.load()) this.#unclaimedOf(collection).set(key, value);
  }

  /** A place of its own for an owner: `name` and a slash stand before the names of its collections. */
  shelf(name: string): Shelf {
    return new StoreShelf(this, `${name}/`);
  }

  /** Gives an owner what is stored of a collection, in the order of creation, and asks it from now on. */
  claim(name: string, live: LiveCollection): [key: string, state: unknown][] {
    if (this.#live.has(name)) throw new Error(`collection ${name} has an owner already`);
    const stored = [...(this.#unclaimed.get(name) ?? [])];
    this.#unclaimed.delete(name);
    this.#live.set(name, live);
    return stored.map(([key, text]) => [key, readEntityJson(text)]);
  }

  /** An entity was added, replaced, changed or deleted. */
  touch(name: string, anyKey: string | number): void {
    if (!this.#engine.isDurable) return;
    const key = String(anyKey);
    if (this.#isSealed) {
      this.#commit ??= refusal();
      return;
    }
    const keys = this.#changed.get(name);
    if (keys) keys.add(key);
    else this.#changed.set(name, new Set([key]));
    this.#commit ??= this.#commitSoon();
  }

  /** Deletes all collections whose names start with `prefix`; their owner is gone. */
  drop(prefix: string): void {
    for (const [name, live] of this.#live) {
      if (!name.startsWith(prefix)) continue;
      for (const [key] of live.entries()) this.touch(name, key);
      this.#live.delete(name);
    }
    for (const [name, stored] of this.#unclaimed) {
      if (!name.startsWith(prefix)) continue;
      for (const key of stored.keys()) this.touch(name, key);
      this.#unclaimed.delete(name);
    }
  }

  /**
   * Resolves when everything that has changed up to now is on the disk; undefined where it is already, or where nothing
   * outlives the process. Rejects where the disk refuses: then nothing may be acknowledged.
   */
  committed(): Promise<void> | undefined {
    return this.#commit;
  }

  /** Everything that there is now. */
  dump(): StoredEntity[] {
    const live = [...this.#live].flatMap(([collection, { entries }]) =>
      [...entries()].map(([key, state]) => ({ collection, key, value: entityJson(state) })),
    );
    const unclaimed = [...this.#unclaimed].flatMap(([collection, stored]) =>
      [...stored].map(([key, value]) => ({ collection, key, value })),
    );
    return [...live, ...unclaimed];
  }

  /** Puts `entities` in the place of everything under `prefix`, whose owners are gone. */
  replace(prefix: string, entities: readonly StoredEntity[]): void {
    this.drop(prefix);
    for (const { collection, key, value } of entities) {
      this.#unclaimedOf(collection).set(key, value);
      this.touch(collection, key);
    }
  }

  /** Writes what is left and takes nothing more: what changes from now on, as planes take leave, is never acknowledged. */
  seal(): void {
    this.#write();
    this.#isSealed = true;
  }

  /** Seals it and lets the engine go. */
  close(): void {
    this.seal();
    this.#engine.close();
  }

  #unclaimedOf(name: string): Map<string, string> {
    const found = this.#unclaimed.get(name) ?? new Map<string, string>();
    this.#unclaimed.set(name, found);
    return found;
  }

  #commitSoon(): Promise<void> {
    const commit = new Promise<void>((resolve, reject) => {
      // After the poll phase: everything that arrived in this turn shares one fsync.
      setImmediate(() => {
        try {
          this.#write();
          resolve();
        } catch (error) {
          // What has changed stays marked and is tried again with the next change.
          reject(error instanceof Error ? error : new Error(String(error)));
        } finally {
          this.#commit = undefined;
        }
      });
    });
    // Who has nothing to acknowledge doesn't listen.
    commit.catch(() => undefined);
    return commit;
  }

  #write(): void {
    if (this.#changed.size === 0) return;
    const changes: EntityChange[] = [];
    for (const [collection, keys] of this.#changed) {
      for (const key of keys) changes.push({ collection, key, value: this.#textOf(collection, key) });
    }
    this.#engine.commit(changes);
    this.#changed = new Map();
  }

  #textOf(collection: string, key: string): string | undefined {
    const live = this.#live.get(collection);
    if (live === undefined) return this.#unclaimed.get(collection)?.get(key);
    const state = live.find(key);
    return state === undefined ? undefined : entityJson(state);
  }
}

function refusal(): Promise<void> {
  const refused = Promise.reject(new Error('the emulator stops and takes no changes'));
  refused.catch(() => undefined);
  return refused;
}

/** A shelf of a store of its own, for owners that nobody gave one. */
export function looseShelf(): Shelf {
  return new Store().shelf('loose');
}
