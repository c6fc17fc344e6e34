import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The devices' disk: a file system of its own that can be filled, where this user may mount one; else a folder. */
export class StateDisk {
  readonly folder: string;
  readonly canFill: boolean;
  readonly #ballast: string;
  #fullUntilMs = 0;

  constructor(folder: string, megabytes: number) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.#ballast = join(folder, 'ballast');
    this.canFill = mount(folder, megabytes);
  }

  /** It is full, or was a moment ago: what happened then may be told only now. */
  get wasFull(): boolean {
    return Date.now() < this.#fullUntilMs;
  }

  /** Leaves no free block. */
  fill(): void {
    this.#fullUntilMs = Infinity;
    const file = openSync(this.#ballast, 'w');
    const chunk = Buffer.alloc(65_536);
    try {
      for (;;) writeSync(file, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
    if (this.#fullUntilMs === Infinity) this.#fullUntilMs = Date.now() + 1_000;
  }

  close(): void {
    this.free();
    if (this.canFill) execFileSync('umount', [this.folder], { stdio: 'ignore' });
  }
}

function mount(folder: string, megabytes: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'tmpfs', folder], { stdio: 'ignore' });
    // Where mounting only seems to have worked, filling would fill somebody else's disk.
    return statfsSync(folder).blocks * statfsSync(folder).bsize === megabytes * 1024 * 1024;
  } catch {
    return false;
  }
}
