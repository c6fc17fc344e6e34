import { describe, expect, it } from '@jest/globals';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openInventory } from '../src/inventory/index.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { certificateOf, expectRefusal, responsible } from './inventory-engines.ts';

const issued = { line: 'Line 1', lineKeyIdentifier: 'aa', certificates: [certificateOf('a')] };

async function modes(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return Promise.all(
    names.sort().map(async (name) => {
      const { mode } = await stat(join(folder, name));
      return `${name.replace(/[0-9a-f]{12}/, '*')} ${(mode & 0o777).toString(8)}`;
    }),
  );
}

describe('an inventory in a file', () => {
  it("is its owner's alone from its first moment on, with all files beside it", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'inventory.db');
      const mask = process.umask(0o022);
      try {
        const inventory = await openInventory(path);
        const claim = await inventory.claimStation('station-1');
        await inventory.record({ ...responsible, issued });
        expect(await modes(folder)).toEqual([
          'inventory.db 600',
          'inventory.db-*.lock 600',
          'inventory.db-*.lock-journal 600',
          'inventory.db-shm 600',
          'inventory.db-wal 600',
        ]);
        await claim.release();
        await inventory.close();
      } finally {
        process.umask(mask);
      }
      await chmod(path, 0o644);
      await (await openInventory(path)).close();
      expect((await modes(folder))[0]).toBe('inventory.db 600');
    });
  });

  it('leaves nothing behind where it must be there, and is not', async () => {
    await inTemporaryFolder(async (folder) => {
      const open = openInventory(join(folder, 'typo/inventory.db'), { mustExist: true });
      await expectRefusal(open, 'ERR_PKI_INVENTORY_UNAVAILABLE', /typo\/inventory\.db/);
      expect(await readdir(folder)).toEqual([]);
    });
  });

  it('is not there where its file has been emptied', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'inventory.db');
      await writeFile(path, '');
      await expectRefusal(openInventory(path, { mustExist: true }), 'ERR_PKI_INVENTORY_UNAVAILABLE', /no inventory/);
    });
  });
});
