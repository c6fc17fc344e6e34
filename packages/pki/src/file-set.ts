import { link, lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PkiError } from './errors.ts';
import { StagingFolder } from './staging-folder.ts';

/** A file to be written. */
export interface FileContent {
  path: string;
  data: string | Uint8Array;
  /** `secret`: readable by its owner alone (0600); `public`: 0644. */
  access: 'secret' | 'public';
}

interface StagedFile {
  target: string;
  temporary: string;
}

/**
 * Writes files that belong together into one folder, which is made where it is missing: all of them or none.
 *
 * Each is written and synced in a folder beside its target (StagingFolder), then put in place in one step: a reader sees the
 * old file, or none, or the new one. What a writer that was killed has left there, the next one in that folder removes. Without `overwrite` that step fails where a file exists, so of several writers of
 * one name exactly one wins: the first file of the set decides.
 *
 * @throws {PkiError} ERR_PKI_FILE_EXISTS, ERR_PKI_FILE_WRITE; everything is then as it was
 */
export async function writeFileSet(files: readonly FileContent[], overwrite: boolean): Promise<void> {
  const folder = dirname(files[0]?.path ?? '.');
  try {
    const staging = await StagingFolder.open(folder);
    try {
      for (const { path } of files) await checkTarget(path, overwrite);
      const staged: StagedFile[] = [];
      for (const file of files) staged.push(await stage(file, staging));
      await (overwrite ? replaceAll(staged, staging) : placeAll(staged));
    } finally {
      await staging.close();
    }
  } catch (error) {
    throw error instanceof PkiError ? error : cannotWrite(files[0]?.path ?? folder, error);
  }
}

/**
 * For work that leaves something behind before its files are written, such as a key in a token.
 *
 * @throws {PkiError} ERR_PKI_FILE_EXISTS, ERR_PKI_FILE_WRITE
 */
export async function checkNothingThere(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await checkTarget(path, false).catch((error: unknown) => {
      throw error instanceof PkiError ? error : cannotWrite(path, error);
    });
  }
}

/** @throws {PkiError} ERR_PKI_FILE_MISSING, ERR_PKI_FILE_READ */
export async function readWholeFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') {
      throw new PkiError('ERR_PKI_FILE_MISSING', `File ${path} doesn't exist: check the folder and the name.`, {
        cause,
      });
    }
    throw new PkiError(
      'ERR_PKI_FILE_READ',
      `File ${path} can't be read (${errorCode(cause)}): check its access rights.`,
      {
        cause,
      },
    );
  }
}

async function checkTarget(path: string, overwrite: boolean): Promise<void> {
  let found;
  try {
    found = await lstat(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  if (!overwrite) throw exists(path);
  if (!found.isFile() && !found.isSymbolicLink()) {
    throw new PkiError('ERR_PKI_FILE_WRITE', `${path} is not a file and is not replaced: choose another name.`);
  }
}

async function stage({ path, data, access }: FileContent, staging: StagingFolder): Promise<StagedFile> {
  const { path: temporary, file } = await staging.createFile(access === 'secret' ? 0o600 : 0o644);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
  return { target: path, temporary };
}

/** A hard link is made only where nothing has the name: no check could be as sure. */
async function placeAll(staged: readonly StagedFile[]): Promise<void> {
  const placed: string[] = [];
  try {
    for (const { target, temporary } of staged) {
      await link(temporary, target);
      placed.push(target);
    }
    await syncFolder(staged);
  } catch (error) {
    for (const path of placed) await rm(path, { force: true });
    const taken = staged[placed.length]?.target;
    throw errorCode(error) === 'EEXIST' && taken !== undefined ? exists(taken) : error;
  }
}

/** The old files are kept under second names until all the new ones are in place. */
async function replaceAll(staged: readonly StagedFile[], staging: StagingFolder): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const { target, temporary } of staged) {
      const kept = staging.newPath();
      const existed = await keep(target, kept);
      await rename(temporary, target);
      undo.push(() => (existed ? rename(kept, target) : rm(target, { force: true })));
    }
    await syncFolder(staged);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function keep(target: string, kept: string): Promise<boolean> {
  try {
    await link(target, kept);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** So that the new names survive a power cut too. Windows can't open a folder, and needs no such step. */
async function syncFolder([first]: readonly StagedFile[]): Promise<void> {
  if (!first || process.platform === 'win32') return;
  const handle = await open(dirname(first.target), 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function exists(path: string): PkiError {
  return new PkiError(
    'ERR_PKI_FILE_EXISTS',
    `File ${path} exists already and was left as it is: choose another folder or name, or ask for it to be overwritten (overwrite: true; contoso-pki: --renew or --overwrite, where the command has one).`,
  );
}

function cannotWrite(path: string, cause: unknown): PkiError {
  return new PkiError(
    'ERR_PKI_FILE_WRITE',
    `Can't write ${path} (${errorCode(cause)}); nothing was changed. Check that the folder is writable and the disk has room.`,
    { cause },
  );
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
