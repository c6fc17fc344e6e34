import type { IdRange } from '../inventory/record.ts';
import type { IssuedDevice } from './issued-device.ts';

/** Devices that are signed and written down. */
export interface WrittenBatch {
  devices: readonly IssuedDevice[];
  /** Their ids in the inventory, in the same order; undefined: there is no inventory. */
  ids: IdRange | undefined;
  /** How many of them, from the first on, are known to be with their receiver. */
  taken: number;
}

/** Devices between the reading of their item and the entry that they are delivered. */
export class DevicesUnderWay {
  readonly #registrationIds = new Set<string>();
  /** Handed out, and not entered as delivered yet. */
  readonly #handedOut: WrittenBatch[] = [];

  /** @returns false: it is under way already, and its second item is skipped */
  enter(registrationId: string): boolean {
    if (this.#registrationIds.has(registrationId)) return false;
    this.#registrationIds.add(registrationId);
    return true;
  }

  /** It gets no certificate. */
  leave(registrationId: string): void {
    this.#registrationIds.delete(registrationId);
  }

  handOut(batch: WrittenBatch): void {
    if (batch.ids) this.#handedOut.push(batch);
  }

  /** What is with its receiver, and has to be entered as delivered. */
  get taken(): IdRange[] {
    return this.#handedOut.flatMap(({ ids, taken }) =>
      ids && taken > 0 ? [{ first: ids.first, last: ids.first + taken - 1 }] : [],
    );
  }

  /** That has been done. */
  settle(): void {
    for (const { devices } of this.#handedOut.splice(0)) {
      for (const { registrationId } of devices) this.#registrationIds.delete(registrationId);
    }
  }
}
