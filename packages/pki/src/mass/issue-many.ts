import { wipeKey, type IssuedCredential, type IssuedDevice } from './issued-device.ts';
import { MassRun } from './mass-run.ts';
import type { IssueManyOptions, RequestItem } from './mass-order.ts';
import type { SourceItem } from './source-batches.ts';

/** What comes out for an item: with a key where the item was a registration ID. */
export type IssuedFor<Item extends SourceItem> = Item extends string ? IssuedCredential : IssuedDevice;

/**
 * Issues certificates for a whole source of registration IDs (keys are made here) or of devices' own requests, in its order,
 * at the speed of the signature; memory stays the same however long the source is, which is read only as fast as devices are
 * taken out.
 *
 * With an inventory a run may be interrupted at any moment, by kill -9 too, and be run again with the same source:
 *
 * - every certificate is written down (`issued`) before it is handed out, so all that was handed out is in the inventory;
 * - a device becomes `delivered` when its receiver has taken its batch, or, without a receiver, when the next device is asked
 *   for; that is written down with the next batch, and at the end of the run;
 * - a run skips what is delivered. What was `issued` only is issued again with a new key and serial number, and the old
 *   certificate is entered as `abandoned`: its key was in memory only, and is gone. (A receiver's `has` is asked first.)
 *
 * A PostgreSQL server that restarts in between ends the run (ERR_PKI_INVENTORY_UNAVAILABLE): it is one that was interrupted.
 *
 * So each device ends up with one certificate in use. Without a receiver's `has`, up to a batch of devices (`batchSize`) that
 * came out just before an interruption come out a second time, and the later one counts: whether what an iteration has given
 * out was kept, only a receiver can tell.
 *
 * Keys of devices that were signed and don't come out (the caller stops, the receiver or the inventory fails) are wiped.
 *
 * Lines with a key in this process's memory and devices with P-256 keys are signed by template and in worker threads; all
 * others as single devices are, several at a time.
 *
 * @throws {PkiError} from the iteration: for the first item that can't be issued, unless `onRefused` is given
 * (ERR_PKI_REGISTRATION_ID_*, ERR_PKI_CSR_*, ERR_PKI_KEY_ALGORITHM, ERR_PKI_ALREADY_ISSUED, ERR_PKI_DEVICE_REVOKED,
 * ERR_PKI_KEY_REUSED: its own key was certified for another device, ERR_PKI_RENEWAL: for itself)
 * @throws {TypeError} from the iteration: nobody has said which devices requests may be for (`allow`, or the item's own
 * `registrationId`)
 * @throws {PkiError} ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID, ERR_PKI_STATION_BUSY, ERR_PKI_INVENTORY_UNAVAILABLE
 */
export async function* issueMany<Item extends string | RequestItem>(
  source: Iterable<Item> | AsyncIterable<Item>,
  options: IssueManyOptions<IssuedFor<Item>>,
): AsyncGenerator<IssuedFor<Item>, void, undefined> {
  const run = await MassRun.start(options);
  try {
    for await (const batch of run.batches(source)) {
      let given = 0;
      try {
        await run.handOver(batch);
        for (const device of batch.devices) {
          run.checkClaim();
          given += 1;
          yield device as IssuedFor<Item>;
          // Whoever comes back for more has this one; a receiver has had all of them before.
          if (given > batch.taken) batch.taken = given;
        }
      } finally {
        batch.devices.slice(given).forEach(wipeKey);
      }
    }
  } finally {
    await run.end();
  }
}
