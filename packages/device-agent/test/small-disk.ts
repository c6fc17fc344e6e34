import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own, which can be filled to the last byte; only who may mount has one. */
export class SmallDisk {
  readonly folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  readonly isMounted: boolean;
  readonly #ballast = join(this.folder, 'ballast');

  constructor(megabytes: number) {
    this.isMounted = this.#mount(megabytes);
  }

  /** What others do: leaves so many bytes free, in whole pages; by default not one. */
  fill(leave = 0): void {
    // Another one's disk is never filled.
    if (!this.isMounted) throw new Error('There is no disk to fill.');
    const file = openSync(this.#ballast, 'a');
    try {
      for (let left = this.freeBytes - leave; left > 0; left = this.freeBytes - leave) {
        writeSync(file, Buffer.alloc(left > 1_000_000 ? 524_288 : 4_096));
      }
    } finally {
      closeSync(file);
    }
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  close(): void {
    if (this.isMounted) execFileSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true });
  }

  #mount(megabytes: number): boolean {
    if (process.platform !== 'linux') return false;
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', this.folder], { stdio: 'ignore' });
      const { blocks, bsize } = statfsSync(this.folder);
      return blocks * bsize === megabytes * 1024 * 1024;
    } catch {
      return false;
    }
  }
}

/** Whether this user may mount one. */
export const mayMountSmallDisk = ((): boolean => {
  const probe = new SmallDisk(1);
  probe.close();
  return probe.isMounted;
})();
