import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWhole } from '../cloud-file.ts';
import { EmulatorError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { diffSnapshots, type SnapshotDifference } from './snapshot-diff.ts';

/** Everything that exists in an emulator, as plain JSON; holds secrets. */
export interface Snapshot {
  readonly format: typeof snapshotFormat;
  /** ISO 8601, by the emulator's clock. */
  readonly takenAt: string;
  /** Ports in the host names that it holds. */
  readonly ports: { readonly mqtt: number; readonly https: number };
  /** By collection and key. */
  readonly collections: Readonly<Record<string, JsonObject>>;
}

export const snapshotFormat = 'azure-iot-emulator snapshot 1';

/** What a user of the emulator does with snapshots. */
export interface EmulatorSnapshots {
  /** The state as a value; for tests. */
  take(): Snapshot;
  /** Puts a state in the place of everything that exists; connections end. @throws {EmulatorError} ERR_EMULATOR_SNAPSHOT */
  restore(snapshot: Snapshot): Promise<void>;
  /** Writes the state to a file of mode 0600, whole or not at all; returns its path. @throws {EmulatorError} ERR_EMULATOR_SNAPSHOT */
  save(name: string): Promise<string>;
  /** {@link restore} of a file. @throws {EmulatorError} ERR_EMULATOR_SNAPSHOT */
  load(name: string): Promise<void>;
  /** Names in order. */
  list(): Promise<string[]>;
  /** What has changed from one to the other, or to now. @throws {EmulatorError} ERR_EMULATOR_SNAPSHOT */
  diff(before: string, after?: string): Promise<SnapshotDifference[]>;
}

/** What {@link createSnapshots} has to be told. */
export interface SnapshotsOptions {
  /** Undefined where no folder is known: only values can be taken then. */
  readonly folder: string | undefined;
  readonly take: () => Snapshot;
  readonly restore: (snapshot: Snapshot) => Promise<void>;
}

export function createSnapshots({ folder, take, restore }: SnapshotsOptions): EmulatorSnapshots {
  const read = (name: string): Promise<Snapshot> => readSnapshot(pathOf(folder, name), name);
  return {
    take,
    restore: (snapshot) => restore(checked(snapshot, 'the value')),
    save: async (name) => {
      const path = pathOf(folder, name);
      await writeSnapshot(path, take());
      return path;
    },
    load: async (name) => restore(await read(name)),
    list: () => listSnapshots(folder),
    diff: async (before, after) => diffSnapshots(await read(before), after === undefined ? take() : await read(after)),
  };
}

function pathOf(folder: string | undefined, name: string): string {
  if (folder === undefined) {
    throw failure('There is no folder for snapshots: start with --data, --folder or the option snapshotFolder.');
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw failure(`A snapshot's name: expected 1 to 100 letters, digits, '.', '-' or '_', found '${name}'.`);
  }
  return join(folder, `${name}.json`);
}

async function listSnapshots(folder: string | undefined): Promise<string[]> {
  const files = folder === undefined ? [] : await readdir(folder).catch(() => []);
  return files.flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : [])).sort();
}

async function readSnapshot(path: string, name: string): Promise<Snapshot> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw failure(
      `There is no snapshot '${name}' (${path} can't be read); 'snapshot list' shows what there is.`,
      cause,
    );
  }
  try {
    return checked(JSON.parse(text), path);
  } catch (cause) {
    throw failure(`${path} is no snapshot: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function checked(value: unknown, what: string): Snapshot {
  const json = isJsonObject(value) ? value : {};
  if (json['format'] === snapshotFormat && isJsonObject(json['collections']) && isJsonObject(json['ports'])) {
    return json as unknown as Snapshot;
  }
  const found = json['format'] === undefined ? 'nothing' : JSON.stringify(json['format']);
  throw failure(`${what}: expected a format of '${snapshotFormat}', found ${found}.`);
}

async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  try {
    await writeWhole(path, `${JSON.stringify(snapshot, null, 2)}\n`);
  } catch (cause) {
    throw failure(`Can't write the snapshot ${path}; choose a folder that can be made and written to.`, cause);
  }
}

function failure(message: string, cause?: unknown): EmulatorError {
  return new EmulatorError('ERR_EMULATOR_SNAPSHOT', message, { cause });
}
