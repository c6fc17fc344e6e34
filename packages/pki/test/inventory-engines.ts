import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import {
  openInventory,
  openPostgresInventory,
  type Inventory,
  type InventoryOptions,
  type NewCertificate,
} from '../src/inventory/index.ts';
import type { PkiError, PkiErrorCode } from '../src/index.ts';
import { expectCode } from './fixtures.ts';
import { postgresProblem, startPostgres, type PostgresServer } from './postgres-server.ts';

/** An empty inventory's place, in either engine. */
export interface InventoryPlace {
  /** Path or connection string. */
  location: string;
  /** Each call is another station's connection to the same inventory. */
  open(options?: InventoryOptions): Promise<Inventory>;
  /** What somebody could do who gets at the database itself, past the inventory. */
  attack(sql: string): Promise<void>;
  /** What this engine offers to such a person besides UPDATE and DELETE. */
  bypasses: readonly string[];
  /** The first thing that such a person would do. */
  removeGuards(): Promise<void>;
}

/** The same tests on both engines; those on PostgreSQL are skipped, and say why, where there is none. */
export function describeOnBothEngines(name: string, tests: (createPlace: () => Promise<InventoryPlace>) => void): void {
  describe(`${name}, libsql`, () => {
    let folder = '';
    let count = 0;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'pki-inventory-'));
    });
    afterAll(async () => rm(folder, { recursive: true }));
    tests(async () => libsqlPlace(join(folder, `inventory-${(count += 1)}.db`)));
  });
  if (postgresProblem !== undefined) {
    it.skip(`${name}, PostgreSQL: SKIPPED since ${postgresProblem}`, () => undefined);
    return;
  }
  describe(`${name}, PostgreSQL`, () => {
    let server: PostgresServer | undefined;
    beforeAll(() => {
      server = startPostgres();
    });
    afterAll(() => server?.stop());
    tests(async () => postgresPlace(await server!.createDatabase()));
  });
}

function libsqlPlace(path: string): InventoryPlace {
  return {
    location: path,
    open: (options) => openInventory(path, options),
    bypasses: [
      "REPLACE INTO audit_entry SELECT sequence, at, action, first_id, last_id, line, line_key_identifier, station, 'x', detail, digest, hash FROM audit_entry WHERE sequence = 2",
      ...[
        "id, 'x', 1, randomblob(20)",
        "1000, 'x', 1, serial_number",
        '1000, registration_id, generation, randomblob(20)',
      ].map(
        (key) =>
          `REPLACE INTO certificate SELECT ${key}, key_identifier, thumbprint_sha1, thumbprint_sha256, not_before, not_after, issued_in, state, changed_in FROM certificate WHERE id = 3`,
      ),
    ],
    async removeGuards() {
      await this.attack(
        ['kept', 'fixed', 'new']
          .map((name) => `DROP TRIGGER audit_entry_${name}; DROP TRIGGER certificate_${name};`)
          .join(''),
      );
    },
    async attack(sql) {
      const database = new Libsql(path);
      try {
        database.exec(sql);
      } finally {
        database.close();
      }
    },
  };
}

function postgresPlace(connectionString: string): InventoryPlace {
  return {
    location: connectionString,
    open: (options) => openPostgresInventory(connectionString, options),
    bypasses: [
      'TRUNCATE audit_entry',
      'TRUNCATE certificate',
      "INSERT INTO certificate SELECT * FROM certificate WHERE id = 3 ON CONFLICT (id) DO UPDATE SET registration_id = 'x'",
    ],
    async removeGuards() {
      await this.attack('DROP TRIGGER audit_entry_fixed ON audit_entry; DROP TRIGGER certificate_fixed ON certificate');
    },
    async attack(sql) {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString });
      await client.connect();
      try {
        await client.query(sql);
      } finally {
        await client.end();
      }
    },
  };
}

export const start = new Date('2026-11-01T08:00:00Z');
export const responsible = { station: 'station-1', orderedBy: 'order 4711' };

/** A certificate's facts, as good as real ones for an inventory. */
export function certificateOf(registrationId: string, more: Partial<NewCertificate> = {}): NewCertificate {
  const serialNumber = randomBytes(20).toString('hex');
  const hash = (algorithm: string): string => createHash(algorithm).update(serialNumber).digest('hex').toUpperCase();
  return {
    registrationId,
    serialNumber,
    keyIdentifier: randomBytes(20).toString('hex'),
    thumbprintSha1: hash('sha1'),
    thumbprintSha256: hash('sha256'),
    notBefore: start,
    notAfter: new Date('2028-11-01T08:00:00Z'),
    ...more,
  };
}

/** Lets somebody act between a run's first question what is there and its entry. */
export function afterFirstQuestion(inventory: Inventory, act: () => Promise<unknown>): Inventory {
  const asked: Inventory = {
    ...inventory,
    findCurrent: async (ids) => {
      const found = await inventory.findCurrent(ids);
      asked.findCurrent = (again) => inventory.findCurrent(again);
      await act();
      return found;
    },
  };
  return asked;
}

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** Rejects with this code, and with a message that names what it has to. */
export async function expectRefusal(action: Promise<unknown>, code: PkiErrorCode, named: RegExp): Promise<PkiError> {
  const error = await expectCode(action, code);
  expect(error.message).toMatch(named);
  return error;
}
