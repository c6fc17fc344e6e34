import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Lines that an application has written down for good: on disk when `append` returns. */
export class Journal {
  readonly #file: number;
  readonly #lines: string[];

  constructor(path: string) {
    this.#lines = readJournal(path);
    this.#file = openSync(path, 'a', 0o600);
  }

  get last(): string | undefined {
    return this.#lines.at(-1);
  }

  has(line: string): boolean {
    return this.#lines.includes(line);
  }

  append(line: string): void {
    writeSync(this.#file, `${line}\n`);
    fsyncSync(this.#file);
    this.#lines.push(line);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The lines of a journal; one that was cut in the middle doesn't count. */
export function readJournal(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}
