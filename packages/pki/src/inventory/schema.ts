import { PkiError } from '../errors.ts';
import type { Database } from './database.ts';

/**
 * Three tables. `audit_entry` is only ever appended to: who did what, when, to which certificates (a range of ids), each
 * entry with a hash over itself and the one before. `certificate` has one row for each certificate; of it only `state` and
 * `changed_in`, the entry that last concerned it, change. Times are milliseconds since 1970.
 *
 * `device_key` says whose a key is that a device made itself. Keys that are made here are new each time and not in it: an
 * index over all keys would take new rows at random places, and cost a quarter of the rate at 100,000 devices already.
 *
 * Of the indexes over `certificate`, none but the one on registration IDs takes its new rows at random places, so that a million devices
 * cost no more each than a thousand: serial numbers begin with the time (see ../serial-number.ts), and thumbprints
 * have none: they are looked up by reading all rows.
 */
export function createSchema(types: { id: string; octets: string; guards: string }): string {
  const { id, octets, guards } = types;
  return `
    CREATE TABLE IF NOT EXISTS audit_entry (
      sequence ${id} PRIMARY KEY,
      at BIGINT NOT NULL,
      action TEXT NOT NULL,
      first_id BIGINT,
      last_id BIGINT,
      line TEXT,
      line_key_identifier TEXT,
      station TEXT NOT NULL,
      ordered_by TEXT NOT NULL,
      detail TEXT,
      digest ${octets},
      hash ${octets} NOT NULL
    );
    CREATE TABLE IF NOT EXISTS certificate (
      id ${id} PRIMARY KEY,
      registration_id TEXT NOT NULL,
      generation INTEGER NOT NULL,
      serial_number ${octets} NOT NULL UNIQUE,
      key_identifier ${octets} NOT NULL,
      thumbprint_sha1 ${octets} NOT NULL,
      thumbprint_sha256 ${octets} NOT NULL,
      not_before BIGINT NOT NULL,
      not_after BIGINT NOT NULL,
      issued_in BIGINT NOT NULL,
      state TEXT NOT NULL,
      changed_in BIGINT NOT NULL,
      UNIQUE (registration_id, generation)
    );
    CREATE TABLE IF NOT EXISTS device_key (
      key_identifier TEXT PRIMARY KEY,
      registration_id TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS certificate_by_end ON certificate (not_after, id);
    CREATE INDEX IF NOT EXISTS certificate_undelivered ON certificate (id) WHERE state = 'issued';
    CREATE INDEX IF NOT EXISTS certificate_revoked ON certificate (id) WHERE state = 'revoked';
    ${guards}
  `;
}

/** Of a certificate's row these never change; the guards in both engines refuse it. */
export const fixedColumns =
  'id, registration_id, generation, serial_number, key_identifier, thumbprint_sha1, thumbprint_sha256, not_before, not_after, issued_in';

const tables = ['audit_entry', 'certificate'];

/**
 * Makes what is missing of the schema. Where nothing is, no right to make anything is needed.
 *
 * @param place - the inventory by a name that may be shown
 * @throws {PkiError} ERR_PKI_INVENTORY_UNAVAILABLE: it must exist, and doesn't
 */
export async function prepareSchema(
  database: Pick<Database, 'dialect' | 'query' | 'transaction'>,
  { mustExist, place }: { mustExist: boolean; place: string },
): Promise<void> {
  const { schema, namesOfWhatIsThere } = database.dialect;
  const there = new Set((await database.query<{ name: string }>(namesOfWhatIsThere)).map(({ name }) => name));
  if (!mustExist) {
    const made = [...schema.matchAll(/(?:TABLE|INDEX|TRIGGER) (?:IF NOT EXISTS )?(\w+)/g)].map(([, name = '']) => name);
    if (made.some((name) => !there.has(name))) await database.transaction((transaction) => transaction.run(schema));
  } else if (tables.some((name) => !there.has(name))) {
    throw noInventory(place);
  }
}

export function noInventory(place: string): PkiError {
  return new PkiError(
    'ERR_PKI_INVENTORY_UNAVAILABLE',
    `There is no inventory in ${place}: check its name. If it was there, find out who took it away, and restore it from a backup.`,
  );
}
