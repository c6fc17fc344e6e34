/** A map that tells of every change that is made to it. */
export class ObservedMap<Key, Value> extends Map<Key, Value> {
  readonly #onChanged: () => void;

  /** Takes over `entries` without telling. */
  constructor(entries: Iterable<readonly [Key, Value]>, onChanged: () => void) {
    super();
    for (const [key, value] of entries) super.set(key, value);
    this.#onChanged = onChanged;
  }

  override set(key: Key, value: Value): this {
    super.set(key, value);
    this.#onChanged();
    return this;
  }

  override delete(key: Key): boolean {
    const wasThere = super.delete(key);
    if (wasThere) this.#onChanged();
    return wasThere;
  }

  override clear(): void {
    super.clear();
    this.#onChanged();
  }
}
