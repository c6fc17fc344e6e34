import { Option, type Command } from 'commander';
import { PkiError } from '../errors.ts';
import {
  exportCsv,
  exportNdjson,
  type AuditMark,
  type CertificateFilter,
  type CertificateRecord,
  type CertificateState,
  type Inventory,
} from '../inventory/index.ts';
import {
  addInventoryOptions,
  addRootOption,
  dayMs,
  parseDays,
  withInventory,
  type CommandContext,
  type InventoryFlags,
} from './context.ts';
import { UsageError } from './usage-error.ts';

const states: readonly CertificateState[] = ['issued', 'delivered', 'abandoned', 'renewed', 'revoked'];

interface FormatFlags extends InventoryFlags {
  format: 'table' | 'csv' | 'ndjson';
}

interface ListFlags extends FormatFlags {
  device?: string;
  serial?: string;
  thumbprint?: string;
  line?: string;
  order?: string;
  state?: CertificateState;
}

interface ExpiringFlags extends FormatFlags {
  within: number;
  line?: string;
  expired: boolean;
}

interface AuditFlags extends InventoryFlags {
  mark?: string;
}

export function addListCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('list')
    .description('show what was issued, and what became of it')
    .option('--device <registrationId>', 'one device, with its history')
    .option('--serial <hex>', 'one certificate')
    .option('--thumbprint <hex>', 'one certificate, by SHA-1 or SHA-256 as a portal shows it')
    .option('--line <name>', 'of one line')
    .option('--order <text>', 'of one order')
    .addOption(new Option('--state <state>', 'in one state').choices(states))
    .addOption(formatOption());
  addInventoryOptions(addRootOption(command))
    .addHelpText(
      'after',
      `
  $ contoso-pki list --device thermostat-1
  $ contoso-pki list --thumbprint 3A:F1:... --json
  $ contoso-pki list --order "order 4711" --format csv > order-4711.csv`,
    )
    .action((flags: ListFlags) => list(context, flags));
}

export function addExpiringCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('expiring')
    .description('show certificates in use that end soon, the next one first')
    .option('--within <days>', 'how soon', parseDays, 60)
    .option('--expired', 'show those too that have ended already', false)
    .option('--line <name>', 'of one line')
    .addOption(formatOption());
  addInventoryOptions(addRootOption(command))
    .addHelpText('after', '\n  $ contoso-pki expiring --within 60 --format csv > renew.csv')
    .action((flags: ExpiringFlags) => listExpiring(context, flags));
}

export function addAuditCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('audit')
    .description('check that nobody has altered the inventory')
    .option('--mark <sequence:hash>', 'an entry written down earlier: the trail has to lead through it');
  addInventoryOptions(addRootOption(command))
    .addHelpText('after', '\n  $ contoso-pki audit --mark 17:5d41...   (a mark is the "head" of an earlier audit)')
    .action((flags: AuditFlags) => audit(context, flags));
}

function formatOption(): Option {
  return new Option('--format <format>', 'how it is written').choices(['table', 'csv', 'ndjson']).default('table');
}

async function list(context: CommandContext, flags: ListFlags): Promise<void> {
  const { device, serial, thumbprint, line, order, state } = flags;
  const filter: CertificateFilter = {
    ...(device !== undefined && { registrationId: device }),
    ...(serial !== undefined && { serialNumber: serial }),
    ...(thumbprint !== undefined && { thumbprint }),
    ...(line !== undefined && { line }),
    ...(order !== undefined && { orderedBy: order }),
    ...(state !== undefined && { states: [state] }),
  };
  if (device !== undefined && flags.format === 'table') await showDevice(context, flags, device);
  else await showRecords(context, flags, filter);
}

async function listExpiring(context: CommandContext, flags: ExpiringFlags): Promise<void> {
  const now = Date.now();
  await showRecords(context, flags, {
    states: ['issued', 'delivered'],
    endsBefore: new Date(now + flags.within * dayMs),
    ...(!flags.expired && { endsFrom: new Date(now) }),
    ...(flags.line !== undefined && { line: flags.line }),
  });
}

async function showRecords({ output }: CommandContext, flags: FormatFlags, filter: CertificateFilter): Promise<void> {
  const { format } = flags;
  if (format !== 'table' && output.json) {
    throw new UsageError('--format says how the records are written, and so does --json: give one of them.');
  }
  const show = async (inventory: Inventory): Promise<void> => {
    const records = inventory.find(filter);
    if (format !== 'table') {
      for await (const text of (format === 'csv' ? exportCsv : exportNdjson)(records)) await output.raw(text);
      return;
    }
    let count = 0;
    for await (const record of records) {
      await output.row('certificate', record, describeRecord(record));
      count += 1;
    }
    output.result({ certificates: count });
  };
  await withInventory(flags, show, { mustExist: true });
}

async function showDevice({ output }: CommandContext, flags: InventoryFlags, device: string): Promise<void> {
  const { certificates, events } = await withInventory(flags, (inventory) => inventory.history(device), {
    mustExist: true,
  });
  for (const record of certificates) {
    await output.row('certificate', record, describeRecord(record));
    const { thumbprintSha1, thumbprintSha256 } = record;
    if (!output.json) await output.raw(`  SHA-1 ${thumbprintSha1}\n  SHA-256 ${thumbprintSha256}\n`);
  }
  for (const event of events) {
    const { at, action, serialNumber, station, orderedBy, detail } = event;
    const why = detail === undefined ? '' : ` (${detail})`;
    const text = `${at.toISOString()}  ${action}${why}  ${serialNumber}  station ${station}, ${orderedBy}`;
    await output.row('event', event, text);
  }
  output.result({ certificates: certificates.length, events: events.length });
}

async function audit({ output }: CommandContext, flags: AuditFlags): Promise<void> {
  const marks = flags.mark === undefined ? [] : [parseMark(flags.mark)];
  const found = await withInventory(flags, (inventory) => inventory.verifyAudit(marks), { mustExist: true });
  for (const problem of found.problems) {
    await output.row('problem', problem, `${problem.code}: ${problem.message}`);
  }
  const { isIntact, entries, certificates, head } = found;
  output.result({ isIntact, entries, certificates, head: `${head.sequence}:${head.hash}` });
  if (marks.length === 0) {
    output.warn(
      'Without a mark an inventory passes too that was replaced as a whole, or whose end was cut off: keep "head" elsewhere, and give it with --mark the next time.',
    );
  }
  if (isIntact) return;
  throw new PkiError(
    'ERR_PKI_INVENTORY_ALTERED',
    'The inventory is not as it was written. Keep a copy of it, find out who could write to it, and compare it with a backup.',
  );
}

function parseMark(text: string): AuditMark {
  const [, sequence, hash] = /^(\d+):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (sequence === undefined || hash === undefined) {
    throw new UsageError(
      'A mark is a sequence number, a colon and 64 hexadecimal digits, as an audit shows its "head".',
    );
  }
  return { sequence: Number(sequence), hash };
}

function describeRecord({ registrationId, state, notAfter, line, serialNumber }: CertificateRecord): string {
  return `${registrationId.padEnd(24)}  ${state.padEnd(9)}  until ${notAfter.toISOString().slice(0, 10)}  ${line}  ${serialNumber}`;
}
