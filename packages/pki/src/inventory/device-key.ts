import { PkiError } from '../errors.ts';
import type { Database, Queryable } from './database.ts';
import type { NewCertificate } from './record.ts';

interface KeyOwner {
  key_identifier: string;
  registration_id: string;
}

/** For which devices these keys have been certified, of those that devices made themselves. */
export async function findKeyOwners(
  { query, dialect }: Pick<Database, 'query' | 'dialect'>,
  keyIdentifiers: readonly string[],
): Promise<Map<string, string>> {
  const owners = await query<KeyOwner>(
    `SELECT * FROM device_key WHERE key_identifier IN (SELECT w.value FROM (${dialect.textRows}) w)`,
    [JSON.stringify(keyIdentifiers)],
  );
  return new Map(owners.map(({ key_identifier, registration_id }) => [key_identifier, registration_id]));
}

/**
 * Gives the keys that devices made themselves to those devices, for good, inside a transaction.
 *
 * @throws {PkiError} ERR_PKI_KEY_REUSED
 */
export async function claimKeys(
  transaction: Queryable,
  { pairRows }: Pick<Database['dialect'], 'pairRows'>,
  certificates: readonly NewCertificate[],
): Promise<void> {
  const own = certificates.filter(({ isDeviceKey }) => isDeviceKey);
  if (own.length === 0) return;
  const pairs = JSON.stringify(
    own.map(({ keyIdentifier, registrationId }) => [keyIdentifier.toLowerCase(), registrationId]),
  );
  await transaction.run(
    `INSERT INTO device_key SELECT w.one, w.other FROM (${pairRows}) w WHERE true ON CONFLICT DO NOTHING`,
    [pairs],
  );
  const [refused] = await transaction.query<{ wanted: string; owner: string }>(
    `SELECT w.other AS wanted, k.registration_id AS owner FROM (${pairRows}) w
     JOIN device_key k ON k.key_identifier = w.one WHERE k.registration_id <> w.other LIMIT 1`,
    [pairs],
  );
  if (refused) throw keyReused(refused.wanted, refused.owner);
}

export function keyReused(registrationId: string, owner: string): PkiError {
  return new PkiError(
    'ERR_PKI_KEY_REUSED',
    `${JSON.stringify(registrationId)} has the key of ${JSON.stringify(owner)} in its request: have it make a key of its own. ` +
      'Where both came from one image, clear the keys out of it.',
  );
}
