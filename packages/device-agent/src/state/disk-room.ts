import { statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type Database from 'libsql';
import { DiskReserve } from './disk-reserve.ts';
import { isDiskFull } from './state-error.ts';

/** SQLite's default. */
const pageBytes = 4096;

/** How many pages the log may hold before they are moved to the database: as much may have to be kept in reserve. */
const logPages = 256;

/** The log's file keeps its room, which nobody else can fill then; half as much again, since a transaction is written whole. */
export const logLimits = `PRAGMA wal_autocheckpoint = ${logPages}; PRAGMA journal_size_limit = ${logPages * pageBytes * 1.5}`;

/** Shorter ones are read in a tenth of a millisecond. */
const longLogBytes = 256 * 1024;

/** A disk with less is about to be full. */
const scarceBytes = 16 * 1024 * 1024;

/**
 * Room for a database on a disk that others may fill to the last byte, at any moment.
 *
 * A write needs space in the log even if it only deletes. The log is begun anew where all of it has been moved to the
 * database's file; and that goes through as long as the file can grow by what the log has for it. So much is kept in a
 * reserve with every commit, and is given up when it is needed. A database that has free pages of its own doesn't grow.
 */
export class DiskRoom {
  readonly #file: string;
  readonly #database: Database.Database;
  readonly #reserve: DiskReserve;
  #pageCount: Database.Statement | undefined;

  constructor(file: string, database: Database.Database) {
    this.#file = file;
    this.#database = database;
    this.#reserve = new DiskReserve(join(dirname(file), 'agent.reserve'));
  }

  /**
   * Call before each commit.
   *
   * @throws the file system's error: there is no space to keep in reserve
   */
  keepReserve(): void {
    this.#pageCount ??= this.#database.prepare('PRAGMA page_count');
    const { page_count: pages } = this.#pageCount.get() as { page_count: number };
    const missing = this.#missingBytes(pages * pageBytes);
    if (missing > 0) this.#reserve.ensure(missing);
    this.#reserve.trim(missing);
  }

  /** Tries it, and again with the room that can be made for it where the disk is full. */
  make<T>(attempt: () => T): T {
    try {
      return attempt();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#emptyLog('PASSIVE');
    }
    try {
      return attempt();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#reserve.giveUp();
      this.#emptyLog('PASSIVE');
    }
    try {
      return attempt();
    } finally {
      this.#keepWhatIsLeft();
    }
  }

  /**
   * Before the database is closed. A long log makes the next start slow, since it is read then; so does one that has to be begun
   * anew, which waits for the disk twice before the first commit does. On a full disk the room of an emptied log would be lost.
   */
  leave(): void {
    try {
      if (this.#isScarce()) this.#emptyLog('PASSIVE');
      else if (statSync(`${this.#file}-wal`).size > longLogBytes) this.#emptyLog('TRUNCATE');
      this.#reserve.ensure(0);
    } catch {
      // What stays in the log is as good there; and the folder may be gone.
    }
  }

  /**
   * What the file has no room for. A full disk leaves it with holes, since the log is moved from its end; but a file system
   * may count blocks late, or compress them, so that they are asked where it matters.
   */
  #missingBytes(bytes: number): number {
    const { size, blocks } = statSync(this.#file);
    const unallocated = bytes - Math.min(size, blocks * 512);
    return unallocated > 0 && !this.#isScarce() ? bytes - size : unallocated;
  }

  #isScarce(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#file));
    return bavail * bsize < scarceBytes;
  }

  #emptyLog(mode: 'PASSIVE' | 'TRUNCATE'): void {
    try {
      this.#database.exec(`PRAGMA wal_checkpoint(${mode})`);
    } catch {
      // What stays in the log is as good there.
    }
  }

  /** Before others take it. */
  #keepWhatIsLeft(): void {
    try {
      this.#reserve.ensure(0);
    } catch {
      // It has become smaller.
    }
  }
}
