import { describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openInventory, openPostgresInventory } from '../src/inventory/index.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { certificateOf, expectRefusal, responsible } from './inventory-engines.ts';

describe('an inventory that cannot be used', () => {
  it('is refused where its folder cannot be made', async () => {
    await expectRefusal(
      openInventory('/dev/null/pki/inventory.db'),
      'ERR_PKI_INVENTORY_UNAVAILABLE',
      /folder or server/,
    );
  });

  it('is refused where the file is something else', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'inventory.db');
      await writeFile(path, 'Dear diary, today I was opened as a database.'.repeat(100));
      await expectRefusal(openInventory(path), 'ERR_PKI_INVENTORY_UNAVAILABLE', /not a database/);
    });
  });

  it('is refused where no server answers', async () => {
    const nobody = openPostgresInventory('postgres://nobody@127.0.0.1:1/none');
    await expectRefusal(nobody, 'ERR_PKI_INVENTORY_UNAVAILABLE', /ECONNREFUSED/);
  });

  it('refuses a write after it was closed, and keeps what was there', async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, 'inventory.db');
      const inventory = await openInventory(path);
      const issued = { line: 'Line 1', lineKeyIdentifier: 'aa', certificates: [certificateOf('a')] };
      await inventory.record({ ...responsible, issued });
      await inventory.close();
      const late = inventory.record({ ...responsible, issued: { ...issued, certificates: [certificateOf('b')] } });
      await expectRefusal(late, 'ERR_PKI_INVENTORY_UNAVAILABLE', /not open|closed/);
      const again = await openInventory(path);
      expect(await again.verifyAudit()).toMatchObject({ isIntact: true, certificates: 1 });
      await again.close();
    });
  });
});
