import type { StateStore } from '../src/state/state-store.ts';

/** A real store in a process that may be killed at any write. */
export class MortalStore implements StateStore {
  readonly setAside = undefined;
  readonly #store: StateStore;
  #writesLeft = Infinity;
  #reachesDisk = false;
  #depth = 0;
  isDead = false;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** The process ends at the next write but `after`: before the disk has it, or right after. */
  dieAtWrite(after: number, reachesDisk: boolean): void {
    this.#writesLeft = after;
    this.#reachesDisk = reachesDisk;
  }

  die(): void {
    this.isDead = true;
  }

  get database(): StateStore['database'] {
    return this.#store.database;
  }

  get device(): number {
    return this.#store.device;
  }

  get(name: string): unknown {
    if (this.isDead) throw killed();
    return this.#store.get(name);
  }

  put(name: string, value: unknown): void {
    this.transaction(() => this.#store.put(name, value));
  }

  remove(name: string): void {
    this.transaction(() => this.#store.remove(name));
  }

  transaction<T>(work: () => T): T {
    if (this.isDead) throw killed();
    const isLast = this.#writesLeft === 0;
    this.#writesLeft -= 1;
    if (isLast && (!this.#reachesDisk || this.#depth > 0)) {
      this.isDead = true;
      throw killed();
    }
    this.#depth += 1;
    try {
      const result = this.#store.transaction(work);
      if (!isLast) return result;
    } finally {
      this.#depth -= 1;
    }
    this.isDead = true;
    throw killed();
  }

  close(): void {
    this.#store.close();
  }
}

function killed(): Error {
  return new Error('killed');
}
