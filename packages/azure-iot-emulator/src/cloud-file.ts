import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { EmulatorCloud } from './cloud.ts';
import { EmulatorError } from './errors.ts';

/**
 * Writes `cloud.json`, readable by its owner alone since it holds the service principal's secret. The folder is made
 * where it is missing; a file that is there is replaced as a whole.
 *
 * @returns the file's absolute path
 * @throws {EmulatorError} ERR_EMULATOR_FOLDER
 */
export async function writeCloudFile(folder: string, cloud: EmulatorCloud): Promise<string> {
  const path = join(resolve(folder), 'cloud.json');
  try {
    await writeWhole(path, `${JSON.stringify(cloud, null, 2)}\n`);
    return path;
  } catch (cause) {
    throw new EmulatorError(
      'ERR_EMULATOR_FOLDER',
      `Can't write the cloud file ${path}; choose a folder that can be made and written to.`,
      { cause },
    );
  }
}

/**
 * Writes the emulator's root as PEM beside the cloud file, for programs that take a file of roots.
 *
 * @returns the file's absolute path
 * @throws {EmulatorError} ERR_EMULATOR_FOLDER
 */
export async function writeRootsFile(cloudFile: string, cloud: EmulatorCloud): Promise<string> {
  const path = join(dirname(resolve(cloudFile)), 'roots.pem');
  try {
    await writeWhole(path, cloud.trustedRootsPem);
    return path;
  } catch (cause) {
    throw new EmulatorError('ERR_EMULATOR_FOLDER', `Can't write the emulator's root to ${path}.`, { cause });
  }
}

/** @throws {EmulatorError} ERR_EMULATOR_CLOUD_FILE */
export async function readCloudFile(path: string): Promise<EmulatorCloud> {
  try {
    const cloud = JSON.parse(await readFile(path, 'utf8')) as Partial<EmulatorCloud> | null;
    if (cloud?.ports && cloud.servicePrincipal && cloud.trustedRootsPem) return cloud as EmulatorCloud;
  } catch (cause) {
    throw cloudFileError(path, cause);
  }
  throw cloudFileError(path);
}

function cloudFileError(path: string, cause?: unknown): EmulatorError {
  return new EmulatorError(
    'ERR_EMULATOR_CLOUD_FILE',
    `${path} is no cloud file of a running emulator; 'azure-iot-emulator start' prints the path of its own.`,
    { cause },
  );
}

/** Mode 0600, and whole or not at all: a temporary file in the same folder, synchronised, then renamed. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}
