import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { textOf } from '../errors.ts';
import type { HealthReport } from './health.ts';
import { writeWholeFile } from './whole-file.ts';

export interface HealthFileOptions {
  readonly file: string;
  readonly everySeconds: number;
  readonly report: () => HealthReport;
  /** Told once for each row of failures: a full disk must not fill the log too. */
  readonly onProblem: (message: string) => void;
}

/** Keeps a health file, written anew at an interval and whenever asked. */
export class HealthFile {
  readonly #options: HealthFileOptions;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor(options: HealthFileOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.write(), options.everySeconds * 1_000);
  }

  write(): Promise<void> {
    return (this.#writing = this.#writing.then(() => this.#tryWriting()));
  }

  /** Resolves when the last words are in the file. */
  close(): Promise<void> {
    clearInterval(this.#timer);
    return this.write();
  }

  async #tryWriting(): Promise<void> {
    const { file, report, onProblem } = this.#options;
    try {
      // Made here as the log's is; a /run that lives in memory may have lost it.
      await mkdir(dirname(file), { recursive: true });
      const contents = `${JSON.stringify(report(), undefined, 2)}\n`;
      // A monitor under another account reads it; after a power cut it is of no use.
      await writeWholeFile(file, contents, { mode: 0o644, isDurable: false });
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) onProblem(`The health file ${file} can't be written: ${textOf(error)}.`);
      this.#isFailing = true;
    }
  }
}

/** @returns undefined where there is none, or none of ours */
export async function readHealthFile(file: string): Promise<HealthReport | undefined> {
  try {
    const report = JSON.parse(await readFile(file, 'utf8')) as HealthReport;
    return typeof report.writtenAt === 'string' ? report : undefined;
  } catch {
    return undefined;
  }
}
