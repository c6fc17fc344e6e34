import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DeviceAgentError } from '../errors.ts';
import type { DiskWait } from './disk-wait.ts';
import { FolderDatabase } from './folder-database.ts';
import { databaseName, holdFolder } from './held-folder.ts';
import type { SetAside } from './set-aside.ts';

/** One device's part of a folder's database: assignment, outbox, inbox and twin marks. One agent at a time holds it. */
export interface StateStore {
  /** Shared with the other devices of the folder: rows carry a device column. */
  readonly database: FolderDatabase;
  /** This device in the database. */
  readonly device: number;
  /** What this opening of the folder has found damaged. */
  readonly setAside: SetAside | undefined;
  /** A JSON value by name, as it was put last; undefined where none was. */
  get(name: string): unknown;
  /** On disk when it returns. */
  put(name: string, value: unknown): void;
  remove(name: string): void;
  /** Several writes, all or nothing, on disk when it returns. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Folders that this process has open, by path, and the devices in use there. */
const openFolders = new Map<string, { readonly database: FolderDatabase; readonly devices: Set<string> }>();

/** A folder on its way to be open. */
interface FolderOpening {
  readonly steps: Generator<DiskWait | undefined, FolderDatabase, undefined>;
  /** Before the next step. */
  wait?: DiskWait | undefined;
  database?: FolderDatabase;
}

const openings = new Map<string, FolderOpening>();

/** Whether agents have been here before. */
export function hasState(folder: string): boolean {
  return existsSync(join(folder, databaseName));
}

/**
 * Takes a folder and makes what is missing, beside what is under way on the network. `openStateStore` does at once what is
 * left, and says what went wrong.
 */
export async function prepareStateFolder(folder: string): Promise<void> {
  const path = resolve(folder);
  if (openFolders.has(path) || openings.has(path)) return;
  const opening: FolderOpening = { steps: openFolder(path) };
  openings.set(path, opening);
  try {
    do await (opening.wait?.later() ?? nextTurn());
    while (openings.get(path) === opening && !isOpen(opening));
  } catch {
    if (openings.get(path) === opening) openings.delete(path);
  }
}

function* openFolder(path: string): FolderOpening['steps'] {
  const held = yield* holdFolder(path);
  yield;
  return new FolderDatabase(held);
}

/** One step further. */
function isOpen(opening: FolderOpening): boolean {
  const { done, value } = opening.steps.next();
  opening.wait = done ? undefined : value;
  if (done) opening.database = value;
  return opening.database !== undefined;
}

function openAtOnce(path: string): FolderDatabase {
  const opening: FolderOpening = openings.get(path) ?? { steps: openFolder(path) };
  openings.delete(path);
  while (!opening.database) {
    opening.wait?.now();
    isOpen(opening);
  }
  return opening.database;
}

/**
 * Opens one device's state in `{folder}/agent.db` (mode 0600, in a folder of mode 0700), and makes what is missing.
 *
 * An `agent.db` that is no database is set aside under another name, and begun anew.
 *
 * A process holds a folder from its first open store to its last; kill -9 leaves nothing held.
 *
 * @throws {DeviceAgentError} ERR_AGENT_STATE: another process holds the folder, another agent of this process the device;
 *   the folder can't be written; the database is damaged or was written by a newer version
 */
export function openStateStore(folder: string, registrationId: string): StateStore {
  const path = resolve(folder);
  const opened = openFolders.get(path);
  const shared = opened ?? { database: openAtOnce(path), devices: new Set<string>() };
  const { database, devices } = shared;
  if (devices.has(registrationId)) {
    throw new DeviceAgentError(
      'ERR_AGENT_STATE',
      `Another agent for ${registrationId} is running in this process on ${path}.`,
      { advice: 'Stop it first.' },
    );
  }
  const closeFolder = (): void => {
    // The next agent of this device must find all that this one has done.
    database.commitGroup();
    devices.delete(registrationId);
    if (devices.size > 0) return;
    openFolders.delete(path);
    database.close();
  };
  openFolders.set(path, shared);
  devices.add(registrationId);
  try {
    const device = deviceRow(database, registrationId);
    return createStore({ database, device, setAside: opened ? undefined : database.setAside, close: closeFolder });
  } catch (error) {
    closeFolder();
    throw error;
  }
}

/** A new row needs no wait for the disk: what is promised later waits for it, too. */
function deviceRow(database: FolderDatabase, registrationId: string): number {
  const find = database.prepare('SELECT id FROM device WHERE registration_id = ?');
  const known = find.get(registrationId) as { id: number } | undefined;
  if (known) return known.id;
  const insert = database.prepare('INSERT INTO device (registration_id) VALUES (?)');
  database.transaction(() => insert.run(registrationId), false);
  return (find.get(registrationId) as { id: number }).id;
}

function createStore(made: Pick<StateStore, 'database' | 'device' | 'setAside' | 'close'>): StateStore {
  const { database, device } = made;
  const read = database.prepare('SELECT value FROM fact WHERE device = ? AND name = ?');
  const write = database.prepare('INSERT OR REPLACE INTO fact VALUES (?, ?, ?)');
  const erase = database.prepare('DELETE FROM fact WHERE device = ? AND name = ?');
  return {
    ...made,
    get(name) {
      const row = read.get(device, name) as { value: string } | undefined;
      return row && (JSON.parse(row.value) as unknown);
    },
    put: (name, value) => write.run(device, name, JSON.stringify(value)),
    remove: (name) => erase.run(device, name),
    transaction: (work) => database.transaction(work),
  };
}
