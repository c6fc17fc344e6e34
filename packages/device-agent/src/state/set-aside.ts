import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';

/** A database that couldn't be used, as it now lies beside the new one. */
export interface SetAside {
  /** Absolute path; its log, where there is one, has the same name and `-wal`. */
  readonly file: string;
  readonly reason: string;
}

/** What each SQLite database begins with ("Database File Format", 1.3.1). */
const magic = 'SQLite format 3\0';

/**
 * Moves a database that is none any more out of the way, whole and with its log, under a name with the time. To be called
 * before SQLite opens it: that takes an empty file for a new database and deletes the log that belonged to it. Whoever calls
 * it holds the folder.
 *
 * @returns undefined where nothing is wrong with it, as far as its first bytes say
 */
export function setAsideDamaged(file: string, now: Date): SetAside | undefined {
  const reason = damageOf(file);
  if (reason === undefined) return undefined;
  const aside = freeName(`${file}.damaged-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`);
  // The log after its database: cut in between, the next start finds a log alone, and sets that aside.
  for (const part of ['', '-wal', '-shm']) if (existsSync(file + part)) renameSync(file + part, aside + part);
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
  return { file: aside, reason };
}

function damageOf(file: string): string | undefined {
  if (!existsSync(file)) return existsSync(`${file}-wal`) ? 'its write-ahead log is there without it' : undefined;
  const found = Buffer.alloc(magic.length);
  const descriptor = openSync(file, 'r');
  const length = readSync(descriptor, found);
  closeSync(descriptor);
  if (length === 0) return 'it is empty';
  return found.toString('latin1') === magic ? undefined : 'it is no SQLite database';
}

/** A clock that isn't set yet says the same time again. */
function freeName(name: string): string {
  const isTaken = (candidate: string): boolean => ['', '-wal', '-shm'].some((part) => existsSync(candidate + part));
  let candidate = name;
  for (let number = 2; isTaken(candidate); number += 1) candidate = `${name}-${number}`;
  return candidate;
}
