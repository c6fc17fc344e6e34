import { randomUUID } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { textOf } from '../errors.ts';
import type { HealthReport } from './health.ts';

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
      await writeHealthFile(file, report());
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) onProblem(`The health file ${file} can't be written: ${textOf(error)}.`);
      this.#isFailing = true;
    }
  }
}

/** Whole or not at all, mode 0644: a monitor may read it at any time. */
async function writeHealthFile(file: string, report: HealthReport): Promise<void> {
  const temporary = `${file}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(report, undefined, 2)}\n`, { flag: 'wx' });
    await chmod(temporary, 0o644);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
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
