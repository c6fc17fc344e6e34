import { PkiError } from '../errors.ts';
import type { Database, Lock } from './database.ts';

/** A station's name, while this program has it. */
export interface StationClaim {
  /**
   * To be asked before what was written down is handed out.
   *
   * @throws {PkiError} ERR_PKI_INVENTORY_UNAVAILABLE: the claim is known to be lost
   */
  check(): void;
  release(): Promise<void>;
}

/** The stations that one inventory has claimed. */
export class StationClaims {
  readonly #database: Database;
  readonly #locks = new Map<string, Lock>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws {PkiError} ERR_PKI_STATION_BUSY */
  async claim(station: string): Promise<StationClaim> {
    const lock = await this.#database.lock(`station ${station}`);
    if (!lock) {
      throw new PkiError(
        'ERR_PKI_STATION_BUSY',
        `Another program is issuing as station ${JSON.stringify(station)} right now: wait for it to end, or give this one a name of its own.`,
      );
    }
    this.#locks.set(station, lock);
    return {
      check: () => checkHeld(station, lock),
      release: async () => {
        if (this.#locks.get(station) === lock) this.#locks.delete(station);
        await lock.release();
      },
    };
  }

  /**
   * What writes in the name of a claimed station writes under its lock.
   *
   * @throws {PkiError} ERR_PKI_INVENTORY_UNAVAILABLE: the claim is lost
   */
  writerFor(station: string): Pick<Database, 'transaction'> {
    const lock = this.#locks.get(station);
    if (!lock) return this.#database;
    checkHeld(station, lock);
    return lock;
  }

  async release(): Promise<void> {
    const locks = [...this.#locks.values()];
    this.#locks.clear();
    for (const lock of locks) await lock.release();
  }
}

function checkHeld(station: string, lock: Lock): void {
  if (lock.isHeld) return;
  throw new PkiError(
    'ERR_PKI_INVENTORY_UNAVAILABLE',
    `The connection that kept the name of station ${JSON.stringify(station)} broke, and another run may have that name by now: ` +
      'nothing more is written or handed out here. Run it again: it goes on where the inventory ends.',
  );
}
