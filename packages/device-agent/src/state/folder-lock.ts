import { chmodSync, closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { DeviceAgentError } from '../errors.ts';
import { codeOf } from './state-error.ts';

/** Digits of a process number, on any system. */
const longestNumber = 10;

/** A state folder that this process holds until it gives it back. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes a lock of the operating system's, which kill -9 leaves none of behind.
 *
 * It has a file of its own: a libsql connection that has prepared statements gives up its locks only when those are
 * collected. Nobody may open `agent.lock` by other means in this process: closing it would give the lock away (POSIX).
 *
 * @throws {DeviceAgentError} ERR_AGENT_STATE: another process holds the folder
 */
export function takeFolderLock(folder: string): FolderLock {
  const file = join(folder, 'agent.lock');
  const holderFile = join(folder, 'agent.pid');
  const lock = new Database(file);
  try {
    // Without a journal, since nothing is ever written.
    lock.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    if (!codeOf(cause).includes('BUSY')) throw cause;
    throw new DeviceAgentError(
      'ERR_AGENT_STATE',
      `Another agent is running on ${folder}: ${holderOf(holderFile)} holds it.`,
      { cause, advice: 'Stop that one, or give this one a folder of its own.' },
    );
  }
  chmodSync(file, 0o600);
  // Only for another process's message: after what the start waits for.
  const naming = setImmediate(() => nameHolder(holderFile));
  return {
    release: () => {
      clearImmediate(naming);
      lock.exec('ROLLBACK');
      lock.close();
    },
  };
}

function nameHolder(holderFile: string): void {
  try {
    // Over what is there: a file that is emptied first is on disk before it is closed (ext4).
    const descriptor = openSync(holderFile, constants.O_WRONLY | constants.O_CREAT, 0o600);
    writeSync(descriptor, String(process.pid).padEnd(longestNumber));
    closeSync(descriptor);
  } catch {
    // A full disk: the message does without the number.
  }
}

/** What counts is the lock. */
function holderOf(holderFile: string): string {
  try {
    return `process ${readFileSync(holderFile, 'utf8').trim()}`;
  } catch {
    return 'another process';
  }
}
