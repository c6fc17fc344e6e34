import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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
  const temporary = `${path}.${randomUUID()}`;
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(cloud, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return path;
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new EmulatorError(
      'ERR_EMULATOR_FOLDER',
      `Can't write the cloud file ${path}; choose a folder that can be made and written to.`,
      { cause },
    );
  }
}
