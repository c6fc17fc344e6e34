import { randomUUID } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { DevicesType } from './api-version.ts';
import { GatewayError } from './arm-error.ts';

/** What happens at an operation's end. */
export type OperationTask =
  | { readonly do: 'delete'; readonly type: DevicesType; readonly name: string }
  | { readonly do: 'deleteGroup'; readonly name: string };

/** A long-running operation: it ends after a number of looks at it, so that no test has to wait. */
export interface Operation {
  readonly id: string;
  readonly isDone: boolean;
  /** What a poll is told; the look counts. */
  look(): 'Running' | 'Succeeded';
}

/** An operation as it is kept. */
interface OperationState {
  readonly looksLeft: number;
  /** Undefined where nothing is left to do. */
  readonly task?: OperationTask | undefined;
}

/** Options of {@link Operations}. */
export interface OperationsOptions {
  /** Polls that are answered `Running` before `Succeeded`; 0 ends an operation at once. */
  readonly looks: number;
  readonly shelf: Shelf;
  readonly finish: (task: OperationTask) => void;
}

/** The operations under way and done, by ID. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #states: StoredMap<OperationState>;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.#states = options.shelf.map('operations');
  }

  start(task?: OperationTask): Operation {
    const id = randomUUID();
    this.#put(id, { looksLeft: this.#options.looks, task });
    return this.#operation(id);
  }

  /** @throws {GatewayError} OperationNotFound */
  get(id: string): Operation {
    const found = this.find(id);
    if (found === undefined) throw new GatewayError('OperationNotFound', `The operation '${id}' could not be found.`);
    return found;
  }

  find(id: string): Operation | undefined {
    return this.#states.has(id) ? this.#operation(id) : undefined;
  }

  #operation(id: string): Operation {
    const isDone = (): boolean => !((this.#states.get(id)?.looksLeft ?? 0) > 0);
    return {
      id,
      get isDone() {
        return isDone();
      },
      look: () => {
        const answer = isDone() ? 'Succeeded' : 'Running';
        this.#look(id);
        return answer;
      },
    };
  }

  #look(id: string): void {
    const { looksLeft = 0, task } = this.#states.get(id) ?? {};
    if (looksLeft > 0) this.#put(id, { looksLeft: looksLeft - 1, task });
  }

  #put(id: string, { looksLeft, task }: OperationState): void {
    this.#states.set(id, looksLeft > 0 ? { looksLeft, task } : { looksLeft: 0 });
    if (looksLeft <= 0 && task) this.#options.finish(task);
  }
}
