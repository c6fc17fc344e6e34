import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { CertificateAuthority } from '../authority.ts';
import type { DeviceAllowance } from '../certificate-request.ts';
import { PkiError } from '../errors.ts';
import { readWholeFile } from '../file-set.ts';
import type { Inventory } from '../inventory/index.ts';
import { issueMany, type IssuedFor } from '../mass/issue-many.ts';
import type { IssueProgress, RequestItem } from '../mass/mass-order.ts';
import { addAllowanceOptions, readAllowance, type AllowanceFlags } from './allowance.ts';
import { bundleReceiver, certificateReceiver, type FileReceiver } from './batch-files.ts';
import {
  addInventoryOptions,
  addLineOptions,
  dayMs,
  parseCount,
  parseDays,
  withInventory,
  withLine,
  type CommandContext,
  type LineFlags,
} from './context.ts';
import { readIds, readRequests, type OrderSource } from './order-source.ts';
import { ProgressBar } from './progress-bar.ts';
import { UsageError } from './usage-error.ts';

interface ManyFlags extends LineFlags, AllowanceFlags {
  requests: boolean;
  recipient?: string;
  out: string;
  days: number;
  renewEndingWithin?: number;
  batchSize: number;
  threads: number;
}

export function addManyCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('many')
    .description('issue for a whole order; run it again after any interruption, and it goes on')
    .argument('<source>', 'file with a registration ID a line; "-": standard input')
    .option('--requests', 'source is a file of PEM requests, or a folder with a request in each file', false)
    .option('--recipient <file>', 'certificate of the receiving station, PEM: keys leave only sealed to it')
    .option('--out <folder>', 'where bundles (.bundle.p7m) or certificates (.certificates.ndjson) go', 'issued')
    .option('--days <days>', 'how long the certificates are valid; cut to the end of the line', parseDays, 730)
    .option('--renew-ending-within <days>', 'renew devices whose certificate ends by then', parseDays)
    .option('--batch-size <devices>', 'devices a file', parseCount, 500)
    .option('--threads <count>', 'worker threads', parseCount, availableParallelism());
  addLineOptions(addInventoryOptions(addAllowanceOptions(command)), 'the line that signs')
    .addHelpText(
      'after',
      `
  $ contoso-pki many order-4711.txt --line line-1 --recipient station-7.cer.pem --ordered-by "order 4711"
  $ contoso-pki many requests/ --requests --allow order-4711.txt --line line-1 --out certificates
Items that can't be issued are listed on standard error; the others are issued, and the exit code is 1.`,
    )
    .action((source: string, flags: ManyFlags) => issueOrder(context, source, flags));
}

async function issueOrder(context: CommandContext, path: string, flags: ManyFlags): Promise<void> {
  const { requests, recipient, out } = flags;
  if (requests === (recipient !== undefined)) {
    throw new UsageError(
      requests
        ? '--recipient seals keys, and requests bring none: leave it out.'
        : "Keys leave this station only sealed: give the receiving station's certificate with --recipient.",
    );
  }
  if (recipient === undefined) {
    const allow = await readAllowance(flags);
    await runOrder(context, flags, {
      source: await readRequests(path),
      receiver: certificateReceiver(out),
      ...(allow !== undefined && { allow }),
    });
  } else {
    if (flags.allow !== undefined || flags.allowAny) {
      throw new UsageError(
        '--allow and --allow-any are about --requests: a list of IDs says itself who gets a certificate.',
      );
    }
    const receiver = bundleReceiver(out, (await readWholeFile(recipient)).toString('utf8'));
    await runOrder(context, flags, { source: await readIds(path), receiver });
  }
}

async function runOrder<Item extends string | RequestItem>(
  { output, stderr }: CommandContext,
  flags: ManyFlags,
  order: { source: OrderSource<Item>; receiver: FileReceiver<IssuedFor<Item>>; allow?: DeviceAllowance },
): Promise<void> {
  const { source, ...receiving } = order;
  const { days, renewEndingWithin, batchSize, threads, station, orderedBy, out } = flags;
  const bar = new ProgressBar(stderr);
  let last: IssueProgress | undefined;
  const issue = async (line: CertificateAuthority, inventory: Inventory): Promise<void> => {
    const run = issueMany(source.items, {
      line,
      inventory,
      ...receiving,
      station,
      orderedBy,
      validityDays: days,
      batchSize,
      threads,
      ...(source.total !== undefined && { total: source.total }),
      ...(renewEndingWithin !== undefined && { renewEndingBefore: new Date(Date.now() + renewEndingWithin * dayMs) }),
      onProgress: (progress) => bar.show((last = progress)),
      onRefused: ({ index, registrationId, error }) => {
        bar.end();
        output.warn(`Item ${index + 1} (${registrationId ?? 'unreadable'}): ${error.code}: ${error.message}`);
      },
    });
    try {
      while (!(await run.next()).done);
    } finally {
      bar.end();
    }
  };
  await withLine(output, flags, (line) => withInventory(flags, (inventory) => issue(line, inventory)));
  const { issued = 0, skipped = 0, refused = 0, ratePerSecond = 0 } = last ?? {};
  output.result({
    issued,
    skipped,
    refused,
    files: receiving.receiver.files,
    folder: out,
    perSecond: Math.round(ratePerSecond),
  });
  if (refused > 0) {
    throw new PkiError(
      'ERR_PKI_ITEMS_REFUSED',
      `${refused} items were refused, and are named above; the others are issued. Correct them and run this again.`,
    );
  }
}
