import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rm, rmdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where files are until they are put in place: in a folder beside them, so that this takes one step, and of a name that is
 * always the same, so that what a process that was killed has left there (keys among it) is found, and removed, by the next.
 */
export class StagingFolder {
  readonly #path: string;
  readonly #made: string[] = [];

  /** @param folder - where the files belong; it is made where it is missing */
  static async open(folder: string): Promise<StagingFolder> {
    await mkdir(folder, { recursive: true });
    const staging = new StagingFolder(join(folder, '.contoso-pki-staging'));
    await staging.#removeLeftBehind();
    return staging;
  }

  private constructor(path: string) {
    this.#path = path;
  }

  /** A name for a file, which is gone at the end if it is there then. */
  newPath(): string {
    const path = join(this.#path, `${process.pid}.${randomBytes(6).toString('hex')}`);
    this.#made.push(path);
    return path;
  }

  /** An empty file of that mode, and its path. */
  async createFile(mode: number): Promise<{ path: string; file: FileHandle }> {
    const path = this.newPath();
    for (;;) {
      await mkdir(this.#path, 0o700).catch(unless('EEXIST'));
      try {
        return { path, file: await open(path, 'wx', mode) };
      } catch (error) {
        // Another writer was the last to use the folder, and removed it in between.
        if (codeOf(error) !== 'ENOENT') throw error;
      }
    }
  }

  /** Removes what this writer has left in it, and the folder itself after the last of them. */
  async close(): Promise<void> {
    for (const path of this.#made) await rm(path, { force: true });
    // Not empty while another writer is at work.
    await rmdir(this.#path).catch(() => undefined);
  }

  async #removeLeftBehind(): Promise<void> {
    const names = await readdir(this.#path).catch(unless('ENOENT'));
    for (const name of names ?? []) {
      const path = join(this.#path, name);
      if (await isLeftBehind(path, Number.parseInt(name, 10))) await rm(path, { force: true });
    }
  }
}

/** Its process is gone. The ID of one that is gone may be ours by now: in a container it is the same after each start. */
async function isLeftBehind(path: string, processId: number): Promise<boolean> {
  if (processId !== process.pid) return !isRunning(processId);
  const startedAt = Date.now() - process.uptime() * 1000;
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && found.mtimeMs < startedAt;
}

function isRunning(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** What may be thrown, as a handler that throws everything else. */
function unless(expected: string): (error: unknown) => void {
  return (error) => {
    if (codeOf(error) !== expected) throw error;
  };
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
