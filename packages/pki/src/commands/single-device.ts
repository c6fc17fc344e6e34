import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import type { CertificateAuthority } from '../authority.ts';
import { readCertificates } from '../certificate.ts';
import { saveDevice } from '../device-files.ts';
import { PkiError } from '../errors.ts';
import { readWholeFile, writeFileSet } from '../file-set.ts';
import type { CertificateRecord, Inventory } from '../inventory/index.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import { issueMany, type IssuedFor } from '../mass/issue-many.ts';
import type { IssuedDevice } from '../mass/issued-device.ts';
import type { IssueManyOptions, RequestItem } from '../mass/mass-order.ts';
import { addAllowanceOptions, readAllowance, type AllowanceFlags } from './allowance.ts';
import {
  addInventoryOptions,
  addLineOptions,
  keyAlgorithms,
  parseDays,
  withInventory,
  withLine,
  type CommandContext,
  type LineFlags,
} from './context.ts';
import { addPasswordOption, readPassword } from './password.ts';

interface IssueFlags extends LineFlags {
  days: number;
  renew: boolean;
  reissueRevoked: boolean;
}

interface DeviceFlags extends IssueFlags {
  out: string;
  keyPem: boolean;
  keyAlgorithm: KeyAlgorithm;
  devicePasswordFile?: string;
}

interface CsrFlags extends IssueFlags, AllowanceFlags {
  registrationId?: string;
  out?: string;
}

export function addDeviceCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('device')
    .description("make one device's key and certificate")
    .argument('<registrationId>', 'also its common name, and its device ID with an enrollment group; lower case')
    .option('--out <folder>', 'where its PFX and chain go', 'devices')
    .option('--key-pem', 'write the key as PEM too, unencrypted', false)
    .addOption(new Option('--key-algorithm <name>', 'kind of its key').choices(keyAlgorithms).default('P-256'));
  addIssueOptions(command);
  addPasswordOption(command, 'device', "of the device's PFX")
    .addHelpText('after', '\n  $ contoso-pki device thermostat-1 --line line-1 --ordered-by "order 4711"')
    .action((registrationId: string, flags: DeviceFlags) => issueDevice(context, registrationId, flags));
}

export function addCsrCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('csr')
    .description("sign a device's own certificate request, so that its key never leaves it")
    .argument('<file>', 'PKCS#10, PEM or DER')
    .option('--registration-id <id>', 'the device that it has to be for')
    .option('--out <file>', 'where the chain goes, PEM (default: standard output)');
  addIssueOptions(addAllowanceOptions(command))
    .addHelpText(
      'after',
      '\n  $ contoso-pki csr thermostat-2.csr --line line-1 --registration-id thermostat-2 --out thermostat-2.pem',
    )
    .action((file: string, flags: CsrFlags) => signRequest(context, file, flags));
}

function addIssueOptions(command: Command): Command {
  return addLineOptions(addInventoryOptions(command), 'the line that signs')
    .option('--days <days>', 'how long the certificate is valid; cut to the end of the line', parseDays, 730)
    .option('--renew', 'give a device that has a certificate a new one', false)
    .option('--reissue-revoked', 'give a device a new one whose certificate was revoked', false);
}

async function issueDevice({ output }: CommandContext, registrationId: string, flags: DeviceFlags): Promise<void> {
  const { out: folder, keyPem, keyAlgorithm, renew, devicePasswordFile: file } = flags;
  const password = await readPassword({ name: 'device', label: `PFX of "${registrationId}"`, file, isNew: true });
  await issueOne(registrationId, flags, {
    ...issueOptions(flags),
    keyAlgorithm,
    receiver: {
      async take([device]) {
        if (!device) return;
        const paths = await saveDevice(device, { folder, password, keyPem, overwrite: renew });
        output.result({ ...describe(device), ...paths });
      },
      has: (undelivered) => serialsIn(join(folder, `${registrationId}.chain.pem`), undelivered),
    },
  });
}

async function signRequest({ output }: CommandContext, file: string, flags: CsrFlags): Promise<void> {
  const { registrationId, out, renew } = flags;
  const allow = await readAllowance(flags, { name: '--registration-id', isGiven: registrationId !== undefined });
  const csr = await readWholeFile(file);
  const item: RequestItem = {
    csr: csr.includes('-----BEGIN ') ? csr.toString('utf8') : csr,
    ...(registrationId !== undefined && { registrationId }),
  };
  await issueOne(item, flags, {
    ...issueOptions(flags),
    ...(allow !== undefined && { allow }),
    receiver: {
      async take([device]) {
        if (!device) return;
        if (out === undefined && !output.json) {
          await output.raw(device.chainPem);
          return;
        }
        if (out !== undefined) {
          await writeFileSet([{ path: out, data: device.chainPem, access: 'public' }], renew);
        }
        output.result({
          ...describe(device),
          ...(out === undefined ? { chainPem: device.chainPem } : { chainPath: out }),
        });
      },
      has: (undelivered) => (out === undefined ? Promise.resolve(new Set()) : serialsIn(out, undelivered)),
    },
  });
}

function issueOptions({ days, renew, reissueRevoked, station, orderedBy }: IssueFlags) {
  return {
    station,
    orderedBy,
    validityDays: days,
    reissueRevoked,
    ...(renew && { renewEndingBefore: endOfTime }),
  };
}

/** The last moment that Date knows. */
const endOfTime = new Date(8.64e15);

async function issueOne<Item extends string | RequestItem>(
  item: Item,
  flags: IssueFlags,
  options: Omit<IssueManyOptions<IssuedFor<Item>>, 'line' | 'inventory'>,
): Promise<void> {
  const issue = async (line: CertificateAuthority, inventory: Inventory): Promise<void> => {
    const run = issueMany([item], { ...options, line, inventory, threads: 0 });
    if (!(await run.next()).done) {
      await run.next();
      return;
    }
    throw new PkiError(
      'ERR_PKI_ALREADY_ISSUED',
      'The device has a certificate already, and nothing was issued: --renew gives it a new one. "contoso-pki list" shows what it has.',
    );
  };
  await withLine(flags, (line) => withInventory(flags, (inventory) => issue(line, inventory)));
}

/** Which of the certificates is the one in a file: an interruption may have come after it was written. */
async function serialsIn(path: string, undelivered: readonly CertificateRecord[]): Promise<ReadonlySet<string>> {
  const pem = await readFile(path, 'utf8').catch(() => '');
  const serial = pem === '' ? undefined : readCertificates(pem)[0]?.serialNumber;
  return new Set(undelivered.map(({ serialNumber }) => serialNumber).filter((number) => number === serial));
}

function describe(device: IssuedDevice): Record<string, unknown> {
  const { registrationId, subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 } = device;
  return { registrationId, subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 };
}
