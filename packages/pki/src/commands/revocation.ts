import { join } from 'node:path';
import { Option, type Command } from 'commander';
import type { CertificateAuthority } from '../authority.ts';
import { PkiError } from '../errors.ts';
import { writeFileSet } from '../file-set.ts';
import type { CertificateRecord, CertificateState, Inventory } from '../inventory/index.ts';
import { keyIdentifier } from '../key-identifier.ts';
import { createCrl } from '../life/crl.ts';
import type { RevocationReason, RevokedCertificate } from '../life/revocation.ts';
import { withAuthority } from './authority-key.ts';
import { rootPlace } from './ceremony.ts';
import {
  addInventoryOptions,
  addLineKeyOptions,
  addRootOption,
  dayMs,
  parseDays,
  responsibleOf,
  withInventory,
  type CommandContext,
  type InventoryFlags,
} from './context.ts';
import { readLeavers } from './last-list.ts';
import { addPasswordOption } from './password.ts';
import type { TokenFlags } from './token.ts';
import { UsageError } from './usage-error.ts';

const reasons: readonly RevocationReason[] = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
  'cACompromise',
];

interface RevokeFlags extends InventoryFlags {
  reason: RevocationReason;
}

interface CrlFlags extends InventoryFlags, TokenFlags {
  line?: string;
  linePasswordFile?: string;
  rootPasswordFile?: string;
  out?: string;
  nextUpdate: number;
}

export function addRevokeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('revoke')
    .description('mark certificates as revoked; "crl" tells others, and Azure has to be told on its own')
    .argument(
      '<device|serial>',
      'registration ID, or with --root a line (all its certificates that have not ended), or a serial number in hexadecimal',
    )
    .addOption(new Option('--reason <reason>', 'why').choices(reasons).makeOptionMandatory());
  addInventoryOptions(addRootOption(command))
    .addHelpText(
      'after',
      `
  $ contoso-pki revoke thermostat-1 --reason keyCompromise --ordered-by "incident 5"
  $ contoso-pki revoke line-1 --root --reason cACompromise --ordered-by "incident 6"`,
    )
    .action((which: string, flags: RevokeFlags) => revoke(context, which, flags));
}

export function addCrlCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('crl')
    .description("sign a line's revocation list, or the root's")
    .option('--line <name>', 'the line whose certificates it is about')
    .option('--out <file>', 'where it goes, DER, and beside it PEM (default: {folder}/{line}.crl, or root.crl)')
    .option('--next-update <days>', 'when the next list is due', parseDays, 7);
  addPasswordOption(addInventoryOptions(addRootOption(command)), 'root', "of the root's key");
  addLineKeyOptions(command, 'its')
    .addHelpText('after', '\n  $ contoso-pki crl --line line-1\n  $ contoso-pki crl --root')
    .action((flags: CrlFlags) => signCrl(context, flags));
}

async function revoke({ output }: CommandContext, which: string, flags: RevokeFlags): Promise<void> {
  const { reason, root = false } = flags;
  if (reason === 'cACompromise' && !root) throw new UsageError('A device is no authority: give keyCompromise.');
  const mark = async (inventory: Inventory): Promise<void> => {
    const records = await findToRevoke(inventory, which);
    for (const { registrationId, serialNumber, notAfter } of records) {
      await inventory.revoke({ ...responsibleOf(flags), serialNumber, reason });
      const text = `${registrationId}  ${serialNumber}  until ${notAfter.toISOString().slice(0, 10)}`;
      await output.row('revoked', { registrationId, serialNumber, notAfter }, text);
    }
    output.result({ certificates: records.length, reason });
  };
  await withInventory(flags, mark, { mustExist: true });
  output.warn(
    root
      ? 'Azure reads no revocation lists: take the line out of DPS too ("contoso-pki rollover --compromised" plans it), and sign a new list with "contoso-pki crl --root" for servers of your own.'
      : 'IoT Hub reads no revocation lists: disable the device there and at DPS too (a disabled individual enrollment), and sign a new list with "contoso-pki crl" for servers of your own.',
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

async function signCrl(context: CommandContext, flags: CrlFlags): Promise<void> {
  const { root = false, line: name, linePasswordFile: passwordFile } = flags;
  if (root === (name !== undefined)) throw new UsageError('Say whose list it is: --line, or --root.');
  const place = name === undefined ? rootPlace(flags) : ({ ...flags, name, kind: 'line', passwordFile } as const);
  await withAuthority(context.output, place, (line) =>
    withInventory(flags, (inventory) => writeCrl(context, { ...flags, name: place.name }, { line, inventory })),
  );
}

async function writeCrl(
  { output }: CommandContext,
  flags: CrlFlags & { name: string },
  { line, inventory }: { line: CertificateAuthority; inventory: Inventory },
): Promise<void> {
  const { folder, out = join(folder, `${flags.name}.crl`), nextUpdate } = flags;
  const lineKeyIdentifier = keyIdentifier(line.key.publicKeyDer);
  const name = line.commonName ?? line.subject;
  const number = await inventory.takeCrlNumber({ ...responsibleOf(flags), line: name, lineKeyIdentifier });
  const now = new Date();
  const mayLeave = await readLeavers(out, line);
  const revoked = await findRevoked(inventory, lineKeyIdentifier, mayLeave);
  const crl = await createCrl(line, {
    revoked,
    number,
    nextUpdate: new Date(now.getTime() + nextUpdate * dayMs),
    now,
  });
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
async function findRevoked(
  inventory: Inventory,
  lineKeyIdentifier: string,
  mayLeave: (record: CertificateRecord) => boolean,
): Promise<RevokedCertificate[]> {
  const revoked: RevokedCertificate[] = [];
  for await (const record of inventory.find({ lineKeyIdentifier, states: ['revoked', 'abandoned'] })) {
    if (mayLeave(record)) continue;
    const { serialNumber, changedAt: revokedAt, reason = 'superseded' } = record;
    revoked.push({ serialNumber, revokedAt, reason });
  }
  return revoked;
}
