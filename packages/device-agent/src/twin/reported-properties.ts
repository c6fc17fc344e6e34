import { joinMergePatches, type JsonObject } from './merge-patch.ts';
import type { StateStore } from '../state/state-store.ts';

const pendingName = 'reported-pending';

/** Reported properties that the hub hasn't taken yet: patches on disk, each joined with the one before it where that is possible. */
export class ReportedProperties {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  add(patch: JsonObject): void {
    const pending = this.#pending();
    const last = pending.pop();
    const joined = last && joinMergePatches(last, patch);
    if (joined) pending.push(joined);
    else pending.push(...(last ? [last] : []), patch);
    this.#store.put(pendingName, pending);
  }

  /** Sends what is pending until nothing is. What is joined to a patch on its way is sent once more with it: a patch may be repeated. */
  async flush(send: (patch: JsonObject) => Promise<void>): Promise<void> {
    for (let [patch] = this.#pending(); patch; [patch] = this.#pending()) {
      await send(patch);
      if (JSON.stringify(this.#pending()[0]) === JSON.stringify(patch)) this.drop();
    }
  }

  /** Forgets the oldest patch: the hub has it, or has refused it. */
  drop(): void {
    this.#store.put(pendingName, this.#pending().slice(1));
  }

  #pending(): JsonObject[] {
    return (this.#store.get(pendingName) as JsonObject[] | undefined) ?? [];
  }
}
