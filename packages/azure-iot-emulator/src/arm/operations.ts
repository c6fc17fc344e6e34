import { randomUUID } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import type { StoredMap } from '../data/stored-map.ts';
import { GatewayError } from './arm-error.ts';

/** A long-running operation: it ends after a number of looks at it, so that no test has to wait. */
export class Operation {
  #looksLeft: number;
  readonly #complete: () => void;
  #isDone = false;

  constructor(looks: number, complete: () => void) {
    this.#looksLeft = looks;
    this.#complete = complete;
    this.#finishWhenDue();
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** What a poll is told; the look counts. */
  look(): 'Running' | 'Succeeded' {
    const answer = this.#isDone ? 'Succeeded' : 'Running';
    this.#looksLeft -= 1;
    this.#finishWhenDue();
    return answer;
  }

  #finishWhenDue(): void {
    if (this.#isDone || this.#looksLeft > 0) return;
    this.#isDone = true;
    this.#complete();
  }
}

/** The operations under way and done, by ID. */
export class Operations {
  readonly #looks: number;
  readonly #operations: StoredMap<Operation>;

  /** @param looks - polls that are answered `Running` before `Succeeded`; 0 ends an operation at once */
  constructor(looks: number, shelf: Shelf) {
    this.#looks = looks;
    this.#operations = shelf.map('operations', {
      encode: () => 'Succeeded',
      // What was under way when the emulator stopped has come to its end.
      decode: () => new Operation(0, () => undefined),
    });
  }

  start(complete: () => void): { readonly id: string; readonly operation: Operation } {
    const id = randomUUID();
    const operation = new Operation(this.#looks, complete);
    this.#operations.set(id, operation);
    return { id, operation };
  }

  /** @throws {GatewayError} OperationNotFound */
  get(id: string): Operation {
    const operation = this.#operations.get(id);
    if (operation === undefined)
      throw new GatewayError('OperationNotFound', `The operation '${id}' could not be found.`);
    return operation;
  }
}
