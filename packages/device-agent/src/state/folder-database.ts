import Database from 'libsql';
import { DeviceAgentError } from '../errors.ts';
import { DiskRoom, logLimits } from './disk-room.ts';
import type { FolderLock } from './folder-lock.ts';
import type { HeldFolder } from './held-folder.ts';
import { checkSchemaVersion } from './schema.ts';
import type { SetAside } from './set-aside.ts';
import { stateError } from './state-error.ts';

export type SqlValue = string | number | Uint8Array | null;

/** A prepared statement; each failure is an ERR_AGENT_STATE. */
export interface Statement {
  /** Outside a transaction it is one of its own: on disk when it returns. */
  run(...values: readonly SqlValue[]): void;
  get(...values: readonly SqlValue[]): unknown;
  all(...values: readonly SqlValue[]): unknown[];
}

/** Writes that share a transaction, and its wait for the disk, with all others of the same turn of the event loop. */
export interface GroupedWrite {
  /** Runs inside the transaction; again, where that had no room. */
  write(): void;
  /** Told after the commit, or with the error for which all was rolled back; what is left to write is tried again then. */
  settle(error: DeviceAgentError | undefined): void;
}

/**
 * One state folder's database, shared by all agents of the process that use the folder.
 *
 * A commit is on disk when it returns (write-ahead log with `synchronous=FULL`), except where it says otherwise.
 */
export class FolderDatabase {
  readonly file: string;
  /** What lay in its place and couldn't be used. */
  readonly setAside: SetAside | undefined;
  readonly #database: Database.Database;
  readonly #lock: FolderLock;
  readonly #room: DiskRoom;
  readonly #statements = new Map<string, Statement>();
  readonly #group = new Set<GroupedWrite>();
  #isGroupDurable = false;
  #turnEnd: NodeJS.Immediate | undefined;
  #isInTransaction = false;
  #isOpen = true;
  /** Made by this process, and nothing in it has been promised to anybody yet. */
  #isBlank: boolean;

  /** @throws {DeviceAgentError} ERR_AGENT_STATE; the folder is given back then */
  constructor({ file, lock, setAside, isBlank }: HeldFolder) {
    this.file = file;
    this.setAside = setAside;
    this.#lock = lock;
    this.#isBlank = isBlank;
    try {
      this.#database = new Database(this.file);
      this.#database.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -512; ${logLimits}`);
      this.#room = new DiskRoom(this.file, this.#database);
      const { user_version: version } = this.#room.make(() => this.prepare('PRAGMA user_version').get()) as {
        user_version: number;
      };
      checkSchemaVersion(this.file, version);
    } catch (cause) {
      lock.release();
      throw stateError(this.file, cause);
    }
  }

  /** The statement for a text: prepared once for each folder, whoever asks. */
  prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      let made: Database.Statement | undefined;
      // When it is first used: a start needs few of them.
      const prepared = (): Database.Statement => (made ??= this.#database.prepare(sql));
      statement = {
        run: (...values) => this.transaction(() => void this.#guard(() => prepared().run(values))),
        get: (...values) => this.#guard(() => prepared().get(values)),
        all: (...values) => this.#guard(() => prepared().all(values)),
      };
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * All of the work or nothing; inside another transaction it is part of that. On a full disk it may be done again, when
   * there is room for it.
   *
   * @param isDurable - default true. False leaves the wait for the disk to a later commit: the work survives kill -9, and a
   *   power cut may undo it
   */
  transaction<T>(work: () => T, isDurable = true): T {
    return this.#isInTransaction ? work() : this.#room.make(() => this.#transact(work, isDurable));
  }

  /** Joins the transaction at the end of this turn. It waits for the disk if one of those that share it wants that. */
  join(write: GroupedWrite, isDurable = true): void {
    this.#group.add(write);
    if (isDurable) this.#isGroupDurable = true;
    // One turn more than its own: what the network has ready goes first, a handshake above all, and more writes share the wait.
    this.#turnEnd ??= setImmediate(() => {
      this.#turnEnd = setImmediate(() => this.commitGroup());
    });
  }

  /** Commits what has joined, now. */
  commitGroup(): void {
    clearImmediate(this.#turnEnd);
    this.#turnEnd = undefined;
    if (this.#group.size === 0) return;
    const writes = [...this.#group];
    const isDurable = this.#isGroupDurable;
    this.#group.clear();
    this.#isGroupDurable = false;
    const failure = this.#commit(writes, isDurable);
    // What could be refused has been: what only takes away needs less.
    if (failure) this.#commit(writes, false);
  }

  /** Gives the folder back; what has joined is committed before. */
  close(): void {
    this.commitGroup();
    this.#room.leave();
    this.#isOpen = false;
    this.#statements.clear();
    this.#database.close();
    this.#lock.release();
  }

  #transact<T>(work: () => T, isDurable: boolean): T {
    // NORMAL would wait for the head of a new log, which the first durable commit does anyway.
    const level = isDurable ? 'FULL' : this.#isBlank ? 'OFF' : 'NORMAL';
    this.#execute(`PRAGMA synchronous = ${level}; BEGIN IMMEDIATE`);
    this.#isInTransaction = true;
    try {
      const result = work();
      this.#guard(() => this.#room.keepReserve());
      this.#execute('COMMIT');
      if (isDurable) this.#isBlank = false;
      return result;
    } catch (error) {
      // A full disk has ended the transaction already.
      if (this.#database.inTransaction) this.#execute('ROLLBACK');
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  #commit(writes: readonly GroupedWrite[], isDurable: boolean): DeviceAgentError | undefined {
    let failure: DeviceAgentError | undefined;
    try {
      this.transaction(() => {
        for (const write of writes) write.write();
      }, isDurable);
    } catch (error) {
      failure = stateError(this.file, error);
    }
    for (const write of writes) write.settle(failure);
    return failure;
  }

  #execute(sql: string): void {
    this.#guard(() => this.#database.exec(sql));
  }

  /** libsql goes on writing after close. */
  #guard<T>(work: () => T): T {
    if (!this.#isOpen) {
      throw new DeviceAgentError('ERR_AGENT_STATE', `The agent's state ${this.file} is closed.`, {
        advice: 'Start the agent first.',
      });
    }
    try {
      return work();
    } catch (cause) {
      throw stateError(this.file, cause);
    }
  }
}
