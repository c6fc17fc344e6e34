/** Remembers what was worked out for a key; the oldest go first when there are too many. */
export class BoundedCache<T> {
  readonly #entries = new Map<string, T>();
  readonly #mostEntries: number;

  constructor(mostEntries: number) {
    this.#mostEntries = mostEntries;
  }

  /** What `make` gave for that key, now or before. What it throws is not remembered. */
  get(key: string, make: () => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#entries.set(key, made);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#mostEntries && oldest !== undefined) this.#entries.delete(oldest);
    return made;
  }
}
