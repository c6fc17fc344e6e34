import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Seed } from '@contoso/azure-iot-emulator';
import type { Arrival, AzureAnswer, AzureOrder, AzurePlace } from './azure-orders.ts';
import { processEnvironment } from './process-environment.ts';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** What was asked for may have been done or not: the emulator was killed, or isn't there again yet. */
export class EmulatorGone extends Error {
  override readonly name = 'EmulatorGone';
}

/** The emulator in its own process, that can be killed at any instant and started again on the same data. */
export class AzureUnderChaos {
  readonly #dataFolder: string;
  readonly #seed: Seed;
  readonly #waiting = new Map<number, Waiting>();
  readonly #arrivals: Arrival[] = [];
  #process: ChildProcess | undefined;
  #lastId = 0;
  #isUp = false;

  constructor(dataFolder: string, seed: Seed) {
    this.#dataFolder = dataFolder;
    this.#seed = seed;
  }

  /** Everything that has arrived as telemetry, as far as it was asked for. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals;
  }

  async start(): Promise<AzurePlace> {
    const child = fork(fileURLToPath(new URL('../../dist/chaos/azure-process.js', import.meta.url)), {
      env: processEnvironment(),
      execArgv: [],
    });
    this.#process = child;
    child.on('message', (message) => this.#settle(message as AzureAnswer));
    child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new EmulatorGone());
      this.#waiting.clear();
    });
    const place = await this.#send(child, { do: 'start', dataFolder: this.#dataFolder, seed: this.#seed });
    this.#isUp = true;
    return place as AzurePlace;
  }

  /** Resolves when what was asked for is on the emulator's disk; rejects where that can't be known. */
  ask(order: AzureOrder): Promise<unknown> {
    const child = this.#process;
    if (!this.#isUp || child?.connected !== true) return Promise.reject(new EmulatorGone());
    return this.#send(child, order);
  }

  #send(child: ChildProcess, order: AzureOrder): Promise<unknown> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      child.send({ id, order }, (error) => {
        if (error) reject(new EmulatorGone('', { cause: error }));
      });
    });
  }

  async collect(): Promise<void> {
    const after = this.#arrivals.at(-1)?.sequence ?? 0;
    this.#arrivals.push(...((await this.ask({ do: 'telemetry', after })) as Arrival[]));
  }

  /** kill -9, and again from what is on its disk. */
  async crash(): Promise<void> {
    await this.#end(() => this.#process?.kill('SIGKILL'));
    await this.start();
  }

  async close(): Promise<void> {
    await this.#end(() => this.#process?.disconnect());
  }

  async #end(how: () => unknown): Promise<void> {
    const child = this.#process;
    this.#isUp = false;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    how();
    await exited;
  }

  #settle({ id, result, error }: AzureAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}
