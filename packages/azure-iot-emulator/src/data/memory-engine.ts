import type { StorageEngine, StoredEntity } from './storage-engine.ts';

/** An engine that begins with what it is given, for example a snapshot, and keeps nothing. */
export function memoryEngine(entities: readonly StoredEntity[] = []): StorageEngine {
  return {
    isDurable: false,
    load: () => entities,
    commit: () => undefined,
    close: () => undefined,
  };
}
