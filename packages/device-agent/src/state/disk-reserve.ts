import { randomFillSync } from 'node:crypto';
import { closeSync, constants, openSync, statSync, truncateSync, writeSync } from 'node:fs';

/** It grows in such steps, and has at least one. */
const stepBytes = 256 * 1024;

/** So much is kept once it was needed: made again and again it would wear out a flash disk. */
const keptBytes = 1024 * 1024;

/** A file that does nothing but take space, so that it can be given up when others have filled the disk. */
export class DiskReserve {
  readonly #file: string;
  #bytes: number | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Has at least so many bytes when it returns.
   *
   * @throws the file system's error: there is no space for it, and it has what there was
   */
  ensure(bytes: number): void {
    const wanted = inSteps(bytes);
    if (this.#have() < wanted) this.#grow(this.#have(), wanted);
  }

  /** Gives back what is neither needed nor little. */
  trim(neededBytes: number): void {
    const wanted = Math.max(keptBytes, inSteps(neededBytes));
    if (this.#have() > wanted) this.#cut(wanted);
  }

  giveUp(): void {
    if (this.#have() > 0) this.#cut(0);
  }

  #have(): number {
    return (this.#bytes ??= statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0);
  }

  #grow(from: number, to: number): void {
    const descriptor = openSync(this.#file, constants.O_WRONLY | constants.O_CREAT, 0o600);
    let end = from;
    try {
      // Nothing that a file system could store in less.
      const filler = randomFillSync(Buffer.alloc(stepBytes));
      while (end < to) end += writeSync(descriptor, filler, 0, Math.min(stepBytes, to - end), end);
    } finally {
      closeSync(descriptor);
      this.#bytes = end;
    }
  }

  #cut(bytes: number): void {
    truncateSync(this.#file, bytes);
    this.#bytes = bytes;
  }
}

function inSteps(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / stepBytes)) * stepBytes;
}
