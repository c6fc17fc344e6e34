/** One stored thing: a JSON text under a key of a collection. */
export interface StoredEntity {
  /** Path of its owner and what it is, for example `hubs/my-hub/devices`. */
  readonly collection: string;
  readonly key: string;
  readonly value: string;
}

/** What became of an entity; without a value it is gone. */
export interface EntityChange {
  readonly collection: string;
  readonly key: string;
  readonly value: string | undefined;
}

/** Where a {@link Store} keeps its entities. */
export interface StorageEngine {
  /** True where a commit outlives the process: whatever tells of a change has to wait for it. */
  readonly isDurable: boolean;
  /** Everything that is stored, in the order of creation. */
  load(): Iterable<StoredEntity>;
  /** All of the changes or none; they are on the disk when it returns. */
  commit(changes: readonly EntityChange[]): void;
  close(): void;
}
