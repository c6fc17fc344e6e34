import { createInventory, unavailable, type Inventory, type InventoryOptions } from './inventory.ts';
import { openLibsqlDatabase } from './libsql-database.ts';
import { openPostgresDatabase } from './postgres-database.ts';

export type { AuditAction, AuditEntry, AuditMark } from './audit-trail.ts';
export type { AuditProblem, AuditProblemCode, AuditVerification } from './audit-verification.ts';
export { exportCsv, exportNdjson } from './export.ts';
export type { Inventory, InventoryOptions } from './inventory.ts';
export type { CertificateFilter, DeviceEvent, DeviceHistory } from './queries.ts';
export type { CertificateRecord, CertificateState, IdRange, NewCertificate } from './record.ts';
export type { InventoryChanges, Responsible, SigningLine } from './recording.ts';
export type { StationClaim } from './station-claims.ts';

/**
 * Opens an inventory in a file (libsql, which is SQLite), made where it is missing; mode 0600. Programs on one machine may
 * share it; don't put it on a network file system, use PostgreSQL.
 *
 * Durability: write-ahead log with `synchronous=FULL`; each write is one fsync.
 *
 * @throws {PkiError} ERR_PKI_INVENTORY_UNAVAILABLE
 */
export async function openInventory(path: string, options: InventoryOptions = {}): Promise<Inventory> {
  try {
    return createInventory(await openLibsqlDatabase(path, options.mustExist ?? false), options);
  } catch (error) {
    throw unavailable(error);
  }
}

/**
 * Opens an inventory in PostgreSQL (14 or later), which any number of stations share; its tables are made where they are
 * missing, and whoever made them owns them: docs/inventory.md has the rights that others need. Needs the package `pg`.
 *
 * Durability: `synchronous_commit=on`, whatever the server's default is; the server's `fsync` has to be on, as it is.
 *
 * @param connectionString - `postgres://user@host/database?sslmode=verify-full`; leave the password to PGPASSWORD or
 * PGPASSFILE
 * @throws {PkiError} ERR_PKI_INVENTORY_UNAVAILABLE
 */
export async function openPostgresInventory(
  connectionString: string,
  options: InventoryOptions = {},
): Promise<Inventory> {
  try {
    return createInventory(await openPostgresDatabase(connectionString, options.mustExist ?? false), options);
  } catch (error) {
    throw unavailable(error);
  }
}
