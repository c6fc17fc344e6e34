import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { diskWait, type DiskWait } from './disk-wait.ts';
import { takeFolderLock, type FolderLock } from './folder-lock.ts';
import { draftDatabase, placeDraft } from './schema.ts';
import { setAsideDamaged, type SetAside } from './set-aside.ts';
import { stateError } from './state-error.ts';

/** In each state folder. */
export const databaseName = 'agent.db';

/** A state folder that this process holds, with a database in it. */
export interface HeldFolder {
  /** The database's path. */
  readonly file: string;
  readonly lock: FolderLock;
  /** What lay in its place and couldn't be used. */
  readonly setAside: SetAside | undefined;
  /** It has just been made. */
  readonly isBlank: boolean;
}

/**
 * Takes a folder, and makes what is missing: in steps of half a millisecond, between which the network may be served, and
 * waits for the disk, which are the caller's to keep.
 *
 * @throws {DeviceAgentError} ERR_AGENT_STATE
 */
export function* holdFolder(folder: string): Generator<DiskWait | undefined, HeldFolder, undefined> {
  const file = join(folder, databaseName);
  let lock: FolderLock | undefined;
  try {
    const firstMade = mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = takeFolderLock(folder);
    yield;
    const setAside = setAsideDamaged(file, new Date());
    const draft = draftDatabase(file);
    if (draft !== undefined) {
      yield diskWait(draft);
      placeDraft(file);
      for (const parent of parentsOf(folder, firstMade)) yield diskWait(parent);
    }
    return { file, lock, setAside, isBlank: draft !== undefined };
  } catch (cause) {
    lock?.release();
    throw stateError(file, cause);
  }
}

/** A folder is found again after a power cut when its parent is on disk; so are those above it that are new. */
function parentsOf(folder: string, firstMade: string | undefined): string[] {
  if (firstMade === undefined) return [];
  const last = dirname(resolve(firstMade));
  const parents: string[] = [];
  for (let parent = dirname(resolve(folder)); ; parent = dirname(parent)) {
    parents.push(parent);
    if (parent === last) return parents;
  }
}
