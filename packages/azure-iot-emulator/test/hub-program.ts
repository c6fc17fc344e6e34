import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatPorts, PORTS_VARIABLE } from '../src/redirect/route.ts';

/** Something that a program said of its own accord. */
export interface ProgramEvent {
  readonly event: string;
  readonly [name: string]: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
}

export interface ProgramOptions {
  readonly arguments: readonly string[];
  /** PEM; all that the program trusts besides public roots. */
  readonly rootPem: string;
  /** Where port 443 leads. */
  readonly port443: number;
}

/** A program with Microsoft's clients in a process of its own, adapted by nothing but its environment. */
export class Program {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #events: ProgramEvent[] = [];
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #wake: () => void = () => undefined;
  #lastId = 0;

  private constructor(path: string, options: ProgramOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), 'hub-program-'));
    const rootFile = join(this.#folder, 'root.pem');
    writeFileSync(rootFile, options.rootPem);
    this.#process = fork(fileURLToPath(new URL(path, import.meta.url)), options.arguments, {
      execArgv: ['--import', new URL('../dist/redirect/hook.js', import.meta.url).href],
      env: {
        PATH: process.env.PATH,
        NODE_EXTRA_CA_CERTS: rootFile,
        [PORTS_VARIABLE]: formatPorts({ mqtt: options.port443, https: options.port443 }),
        DEBUG: process.env.DEBUG,
      },
    });
    this.#process.on('message', (message) => this.#take(message as ProgramEvent | Answer));
  }

  static async start(path: string, options: ProgramOptions): Promise<Program> {
    const program = new Program(path, options);
    await program.next('ready');
    return program;
  }

  /** @throws what the program's client threw, with its name and what it carries */
  async ask<T = unknown>(command: string, parameters: object = {}): Promise<T> {
    const id = (this.#lastId += 1);
    const answered = new Promise<Answer>((resolve, reject) => {
      this.#answers.set(id, resolve);
      this.#process.once('exit', (code) =>
        reject(new Error(`the program ended with ${code} while asked to ${command}`)),
      );
    });
    this.#process.send({ id, command, ...parameters });
    const { result, error } = await answered;
    if (error) throw Object.assign(new Error(error.message), error);
    return result as T;
  }

  /** The next event of that name. */
  async next(name: string): Promise<ProgramEvent> {
    for (;;) {
      const index = this.#events.findIndex(({ event }) => event === name);
      if (index >= 0) return this.#events.splice(index, 1)[0]!;
      if (this.#process.exitCode !== null)
        throw new Error(`the program ended with ${this.#process.exitCode} before '${name}'`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#process.once('exit', () => resolve());
      });
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #take(message: ProgramEvent | Answer): void {
    if ('event' in message) {
      this.#events.push(message);
      this.#wake();
    } else {
      this.#answers.get(message.id)?.(message);
    }
  }
}
