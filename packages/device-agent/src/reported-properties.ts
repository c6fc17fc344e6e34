import { joinMergePatches, type JsonObject } from './merge-patch.ts';
import type { StateStore } from './state-store.ts';

const pendingName = 'reported-pending';

/** Reported properties that the hub hasn't taken yet: one patch, on disk, joined with each later one. */
export class ReportedProperties {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  add(patch: JsonObject): void {
    this.#store.put(pendingName, joinMergePatches(this.#pending(), patch));
  }

  /** Sends what is pending until nothing is; what comes while it sends goes with the next patch. */
  async flush(send: (patch: JsonObject) => Promise<void>): Promise<void> {
    for (let patch = this.#pending(); Object.keys(patch).length > 0; patch = this.#pending()) {
      await send(patch);
      if (JSON.stringify(this.#pending()) === JSON.stringify(patch)) this.#store.remove(pendingName);
    }
  }

  /** Forgets what the hub has refused, so that it doesn't stand before everything later. */
  drop(): void {
    this.#store.remove(pendingName);
  }

  #pending(): JsonObject {
    return (this.#store.get(pendingName) as JsonObject | undefined) ?? {};
  }
}
