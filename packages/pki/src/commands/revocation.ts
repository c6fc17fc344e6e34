import { join } from 'node:path';
import { Option, type Command } from 'commander';
import type { CertificateAuthority } from '../authority.ts';
import { PkiError } from '../errors.ts';
import { writeFileSet } from '../file-set.ts';
import type { CertificateRecord, CertificateState, Inventory } from '../inventory/index.ts';
import { keyIdentifier } from '../key-identifier.ts';
import type { RevocationList } from '../life/crl-reading.ts';
import { createCrl } from '../life/crl.ts';
import type { RevocationReason, RevokedCertificate } from '../life/revocation.ts';
import {
  addInventoryOptions,
  addLineOptions,
  dayMs,
  parseDays,
  responsibleOf,
  withInventory,
  withLine,
  type CommandContext,
  type InventoryFlags,
  type LineFlags,
} from './context.ts';
import { checkIsNewer, leaving, readLastList } from './last-list.ts';

const reasons: readonly RevocationReason[] = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
];

interface RevokeFlags extends InventoryFlags {
  reason: RevocationReason;
}

interface CrlFlags extends LineFlags {
  out?: string;
  nextUpdate: number;
}

export function addRevokeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('revoke')
    .description('mark certificates as revoked; "crl" tells others, and Azure has to be told on its own')
    .argument(
      '<device|serial>',
      'registration ID (all its certificates that have not ended), or a serial number in hexadecimal',
    )
    .addOption(new Option('--reason <reason>', 'why').choices(reasons).makeOptionMandatory());
  addInventoryOptions(command)
    .addHelpText('after', '\n  $ contoso-pki revoke thermostat-1 --reason keyCompromise --ordered-by "incident 5"')
    .action((which: string, flags: RevokeFlags) => revoke(context, which, flags));
}

export function addCrlCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('crl')
    .description("sign a line's revocation list")
    .option('--out <file>', 'where it goes, DER, and beside it PEM (default: {folder}/{line}.crl)')
    .option('--next-update <days>', 'when the next list is due', parseDays, 7);
  addLineOptions(addInventoryOptions(command), 'the line whose certificates it is about')
    .addHelpText('after', '\n  $ contoso-pki crl --line line-1')
    .action((flags: CrlFlags) => signCrl(context, flags));
}

async function revoke({ output }: CommandContext, which: string, flags: RevokeFlags): Promise<void> {
  const { reason } = flags;
  const revokeAll = async (inventory: Inventory): Promise<void> => {
    const records = await findToRevoke(inventory, which);
    for (const { registrationId, serialNumber, notAfter } of records) {
      await inventory.revoke({ ...responsibleOf(flags), serialNumber, reason });
      const text = `${registrationId}  ${serialNumber}  until ${notAfter.toISOString().slice(0, 10)}`;
      await output.row('revoked', { registrationId, serialNumber, notAfter }, text);
    }
    output.result({ certificates: records.length, reason });
  };
  await withInventory(flags, revokeAll, { mustExist: true });
  output.warn(
    'IoT Hub reads no revocation lists: disable the device there and at DPS too (a disabled individual enrollment), and sign a new list with "contoso-pki crl" for servers of your own.',
  );
}

/** All that a device could still use: a thief of the device has the keys of earlier certificates too. Or the one asked for. */
async function findToRevoke(inventory: Inventory, which: string): Promise<CertificateRecord[]> {
  const [current] = (await inventory.findCurrent([which])).values();
  if (current) {
    const { certificates } = await inventory.history(which);
    const now = new Date();
    const usable = certificates.filter(({ state, notAfter }) => notAfter > now && mayBeInUse(state));
    // Where nothing is left to revoke, the latest one says why.
    return usable.length > 0 ? usable : [current];
  }
  if (/^(?:[0-9a-f]{2})+$/i.test(which)) {
    for await (const record of inventory.find({ serialNumber: which })) return [record];
  }
  throw new PkiError(
    'ERR_PKI_NOT_IN_INVENTORY',
    `The inventory has neither a device nor a serial number ${JSON.stringify(which)}: look it up with "contoso-pki list".`,
  );
}

/** An abandoned one has never left, and is on the list as it is. */
function mayBeInUse(state: CertificateState): boolean {
  return state !== 'revoked' && state !== 'abandoned';
}

function signCrl(context: CommandContext, flags: CrlFlags): Promise<void> {
  return withLine(flags, (line) => withInventory(flags, (inventory) => writeCrl(context, flags, { line, inventory })));
}

async function writeCrl(
  { output }: CommandContext,
  flags: CrlFlags,
  { line, inventory }: { line: CertificateAuthority; inventory: Inventory },
): Promise<void> {
  const { folder, out = join(folder, `${flags.line}.crl`), nextUpdate } = flags;
  const lineKeyIdentifier = keyIdentifier(line.key.publicKeyDer);
  const name = line.commonName ?? line.subject;
  const { number, records } = await inventory.startCrl({ ...responsibleOf(flags), line: name, lineKeyIdentifier });
  const now = new Date();
  const revoked = toRevoked(records, await readLastList(out, line));
  const crl = await createCrl(line, {
    revoked,
    number,
    nextUpdate: new Date(now.getTime() + nextUpdate * dayMs),
    now,
  });
  checkIsNewer(number, await readLastList(out, line));
  await writeFileSet(
    [
      { path: out, data: crl.crlDer, access: 'public' },
      { path: `${out}.pem`, data: crl.crlPem, access: 'public' },
    ],
    true,
  );
  output.result({
    line: name,
    number,
    revoked: revoked.length,
    nextUpdate: crl.nextUpdate,
    path: out,
    pemPath: `${out}.pem`,
  });
}

/** What is revoked, and what was abandoned: nobody should have its key, and if somebody has, it is of no use. */
function toRevoked(records: readonly CertificateRecord[], last: RevocationList | undefined): RevokedCertificate[] {
  const leaves = leaving(last);
  return records
    .filter((record) => !leaves(record))
    .map(({ serialNumber, changedAt: revokedAt, reason = 'superseded' }) => ({ serialNumber, revokedAt, reason }));
}
