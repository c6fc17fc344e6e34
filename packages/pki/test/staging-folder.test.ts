import { expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { saveDevice } from '../src/index.ts';
import { createFactory, inTemporaryFolder, password } from './fixtures.ts';

it('a write removes what processes have left that are gone, and nothing of those that are at work', () =>
  inTemporaryFolder(async (folder) => {
    const staging = join(folder, '.contoso-pki-staging');
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const beforeUs = Date.now() / 1000 - process.uptime() - 60;
    await mkdir(staging);
    for (const name of [`${dead}.1`, `${process.pid}.1`, `${process.pid}.2`, `${process.ppid}.1`]) {
      await writeFile(join(staging, name), '-----BEGIN PRIVATE KEY-----');
    }
    // By a process that had our ID once.
    await utimes(join(staging, `${process.pid}.1`), beforeUs, beforeUs);
    await saveDevice((await createFactory()).device, { folder, password, keyPem: true });
    expect((await readdir(staging)).sort()).toEqual([`${process.pid}.2`, `${process.ppid}.1`].sort());
  }));
