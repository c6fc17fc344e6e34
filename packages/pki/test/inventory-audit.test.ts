import { expect, it } from '@jest/globals';
import type { AuditProblemCode, Inventory } from '../src/inventory/index.ts';
import { certificateOf, collect, describeOnBothEngines, responsible } from './inventory-engines.ts';

/** Twelve certificates in three entries, delivered, one of them revoked. */
async function fill(inventory: Inventory): Promise<void> {
  for (const batch of ['a', 'b', 'c']) {
    const certificates = [1, 2, 3, 4].map((number) => certificateOf(`${batch}-${number}`));
    await inventory.record({
      ...responsible,
      issued: { line: 'Line 1', lineKeyIdentifier: 'aa'.repeat(20), certificates },
    });
  }
  await inventory.record({ ...responsible, delivered: [{ first: 1, last: 12 }] });
  const [stolen] = await collect(inventory.find({ registrationId: 'b-2' }));
  await inventory.revoke({ ...responsible, serialNumber: stolen!.serialNumber, reason: 'keyCompromise' });
}

/** What somebody does to the database, and what has to come out. */
const attacks: readonly [what: string, sql: string, found: AuditProblemCode, named: RegExp][] = [
  [
    'an entry is altered',
    "UPDATE audit_entry SET ordered_by = 'nobody' WHERE sequence = 2",
    'AUDIT_ENTRY_ALTERED',
    /Entry 2 /,
  ],
  [
    'an entry is given another time',
    'UPDATE audit_entry SET at = at + 1 WHERE sequence = 5',
    'AUDIT_ENTRY_ALTERED',
    /Entry 5 /,
  ],
  ['an entry is deleted', 'DELETE FROM audit_entry WHERE sequence = 4', 'AUDIT_ENTRY_MISSING', /4 to 4/],
  [
    'two entries change places',
    'UPDATE audit_entry SET sequence = -1 WHERE sequence = 1; UPDATE audit_entry SET sequence = 1 WHERE sequence = 2; UPDATE audit_entry SET sequence = 2 WHERE sequence = -1',
    'AUDIT_ENTRY_ALTERED',
    /Entry 1 /,
  ],
  [
    'a certificate is altered',
    "UPDATE certificate SET registration_id = 'x' WHERE id = 6",
    'CERTIFICATE_ALTERED',
    /5 to 8/,
  ],
  [
    'a certificate ends later',
    'UPDATE certificate SET not_after = not_after + 1000 WHERE id = 1',
    'CERTIFICATE_ALTERED',
    /1 to 4/,
  ],
  ['a certificate is deleted', 'DELETE FROM certificate WHERE id = 3', 'CERTIFICATE_MISSING', /1 to 4.*, 1 are gone/],
  [
    'two certificates change places',
    'UPDATE certificate SET id = -1 WHERE id = 1; UPDATE certificate SET id = 1 WHERE id = 2; UPDATE certificate SET id = 2 WHERE id = -1',
    'CERTIFICATE_ALTERED',
    /1 to 4/,
  ],
  [
    'a certificate is slipped in at the end',
    "INSERT INTO certificate SELECT 13, 'spare', 1, thumbprint_sha1, key_identifier, thumbprint_sha1, thumbprint_sha256, not_before, not_after, 3, 'delivered', 4 FROM certificate WHERE id = 1",
    'CERTIFICATE_UNRECORDED',
    /spare/,
  ],
  [
    'a revoked one is made good again',
    "UPDATE certificate SET state = 'delivered', changed_in = 4 WHERE state = 'revoked'",
    'CERTIFICATE_STATE_ALTERED',
    /b-2/,
  ],
  ['a state is altered', "UPDATE certificate SET state = 'renewed' WHERE id = 12", 'CERTIFICATE_STATE_ALTERED', /c-4/],
];

describeOnBothEngines('audit trail', (createPlace) => {
  it('is intact after everything that the inventory does', async () => {
    const inventory = await (await createPlace()).open();
    await fill(inventory);
    expect(await inventory.verifyAudit()).toMatchObject({ isIntact: true, problems: [], entries: 5, certificates: 12 });
    const trail = await collect(inventory.auditTrail());
    expect(trail.map(({ sequence, action }) => `${sequence} ${action}`)).toEqual([
      '1 issued',
      '2 issued',
      '3 issued',
      '4 delivered',
      '5 revoked',
    ]);
    await inventory.close();
  });

  it('is intact at every moment while another connection writes', async () => {
    const place = await createPlace();
    const [office, station] = [await place.open(), await place.open()];
    let left = 40;
    const write = async (): Promise<void> => {
      for (; left > 0; left -= 1) {
        const certificates = Array.from({ length: 30 }, (_, number) => certificateOf(`d-${left}-${number}`));
        const issued = { line: 'Line 1', lineKeyIdentifier: 'aa'.repeat(20), certificates };
        const ids = await station.record({ ...responsible, issued });
        await station.record({ ...responsible, delivered: [ids!] });
      }
    };
    const writing = write().finally(() => (left = 0));
    const seen: number[] = [];
    while (left > 0) {
      const { problems, certificates } = await office.verifyAudit();
      expect(problems).toEqual([]);
      seen.push(certificates);
    }
    await writing;
    expect(new Set(seen).size).toBeGreaterThan(1);
    await office.close();
    await station.close();
  });

  it.each(attacks)('is found: %s', async (_what, sql, code, named) => {
    const place = await createPlace();
    const inventory = await place.open();
    await fill(inventory);
    await place.removeGuards();
    await place.attack(sql);
    const { isIntact, problems } = await inventory.verifyAudit();
    expect(isIntact).toBe(false);
    expect(problems).toContainEqual({ code, message: expect.stringMatching(named) as unknown as string });
    await inventory.close();
  });

  it('is found with a mark: the end of the trail is cut off', async () => {
    const place = await createPlace();
    const inventory = await place.open();
    await fill(inventory);
    const { head } = await inventory.verifyAudit();
    expect((await inventory.verifyAudit([head])).isIntact).toBe(true);
    await place.removeGuards();
    await place.attack(
      "UPDATE certificate SET state = 'delivered', changed_in = 4 WHERE state = 'revoked'; DELETE FROM audit_entry WHERE sequence = 5",
    );
    expect((await inventory.verifyAudit()).isIntact).toBe(true);
    const { problems } = await inventory.verifyAudit([head]);
    expect(problems).toEqual([
      { code: 'AUDIT_MARK_DIFFERENT', message: expect.stringMatching(/Entry 5 /) as unknown as string },
    ]);
    await inventory.close();
  });

  it('is only appended to: the database refuses changes by whoever has not removed its guards', async () => {
    const place = await createPlace();
    const inventory = await place.open();
    await fill(inventory);
    const refused = /only appended to|does not change|not deleted|there already/;
    await expect(place.attack("UPDATE audit_entry SET ordered_by = 'x'")).rejects.toThrow(refused);
    await expect(place.attack('DELETE FROM audit_entry')).rejects.toThrow(refused);
    await expect(place.attack('UPDATE certificate SET not_after = 0')).rejects.toThrow(refused);
    await expect(place.attack('DELETE FROM certificate')).rejects.toThrow(refused);
    for (const bypass of place.bypasses) await expect(place.attack(bypass)).rejects.toThrow(refused);
    expect((await inventory.verifyAudit()).isIntact).toBe(true);
    await inventory.close();
  });

  it('reports no more than a hundred problems', async () => {
    const place = await createPlace();
    const inventory = await place.open();
    const certificates = Array.from({ length: 300 }, (_, number) => certificateOf(`d-${number}`));
    await inventory.record({
      ...responsible,
      issued: { line: 'Line 1', lineKeyIdentifier: 'aa'.repeat(20), certificates },
    });
    await place.removeGuards();
    await place.attack("UPDATE certificate SET state = 'delivered'");
    expect((await inventory.verifyAudit()).problems).toHaveLength(100);
    await inventory.close();
  });
});
