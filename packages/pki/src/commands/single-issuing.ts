import type { CertificateAuthority } from '../authority.ts';
import { PkiError } from '../errors.ts';
import { checkNothingThere } from '../file-set.ts';
import type { CertificateRecord, Inventory } from '../inventory/index.ts';
import { issueMany, type IssuedFor } from '../mass/issue-many.ts';
import type { IssueManyOptions, RequestItem } from '../mass/mass-order.ts';
import { withInventory, withLine, type LineFlags } from './context.ts';
import type { Output } from './output.ts';

/** Where one device's certificate goes. */
export interface SingleReceiver<Device> {
  /** Files that must not be there yet. */
  targets: readonly string[];
  take(device: Device): Promise<void>;
  /**
   * Completes what an interrupted run has put in place of one of these certificates.
   *
   * @returns its serial number; undefined: there is nothing of them
   */
  finish(undelivered: readonly CertificateRecord[]): Promise<string | undefined>;
}

/**
 * Issues for one device, or finishes what an interrupted run of the same command began.
 *
 * @throws {PkiError} ERR_PKI_ALREADY_ISSUED, and what issueMany throws
 */
export async function issueOne<Item extends string | RequestItem>(
  item: Item,
  flags: LineFlags,
  {
    output,
    receiver,
    ...options
  }: Omit<IssueManyOptions, 'line' | 'inventory' | 'receiver'> & {
    output: Output;
    receiver: SingleReceiver<IssuedFor<Item>>;
  },
): Promise<void> {
  let finished: string | undefined;
  // Read when the receiver has been asked: what is finished now wants no other certificate.
  function* source(): Generator<Item> {
    if (finished === undefined) yield item;
  }
  const issue = async (line: CertificateAuthority, inventory: Inventory): Promise<void> => {
    const run = issueMany(source(), {
      ...options,
      line,
      inventory: withRoomFor(receiver.targets, inventory),
      threads: 0,
      receiver: {
        take: async ([device]) => device && receiver.take(device),
        has: async (undelivered) => {
          finished = await receiver.finish(undelivered);
          return new Set(finished === undefined ? [] : [finished]);
        },
      },
    });
    let count = 0;
    while (!(await run.next()).done) count += 1;
    if (count === 0 && finished === undefined) throw alreadyIssued();
  };
  await withLine(output, flags, (line) => withInventory(flags, (inventory) => issue(line, inventory)));
}

/** Nothing is written down that could not be put in its place: it would only be abandoned, time and again. */
function withRoomFor(targets: readonly string[], inventory: Inventory): Inventory {
  return {
    ...inventory,
    record: async (changes) => {
      if (changes.issued) await checkNothingThere(targets);
      return inventory.record(changes);
    },
  };
}

function alreadyIssued(): PkiError {
  return new PkiError(
    'ERR_PKI_ALREADY_ISSUED',
    'The device has a certificate already, and nothing was issued: --renew gives it a new one. "contoso-pki list" shows what it has.',
  );
}
