import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { readCertificates, type CertificateDetails } from '../certificate.ts';
import type { DeviceCertificate, DeviceCredential } from '../device-certificate.ts';
import { devicePaths, readSavedDevice, saveDevice } from '../device-files.ts';
import { readWholeFile, writeFileSet } from '../file-set.ts';
import type { CertificateRecord } from '../inventory/index.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import type { RequestItem } from '../mass/mass-order.ts';
import { addAllowanceOptions, readAllowance, type AllowanceFlags } from './allowance.ts';
import {
  addInventoryOptions,
  addLineOptions,
  keyAlgorithms,
  parseDays,
  type CommandContext,
  type LineFlags,
} from './context.ts';
import { addPasswordOption, readPassword } from './password.ts';
import { issueOne } from './single-issuing.ts';

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
  const { pfxPath, chainPath, keyPath } = devicePaths(registrationId, { folder, keyPem });
  const save = async (device: DeviceCredential, overwrite: boolean): Promise<void> => {
    const paths = await saveDevice(device, { folder, password, keyPem, overwrite });
    output.result({ ...describe(device), ...paths });
  };
  await issueOne(registrationId, flags, {
    output,
    ...issueOptions(flags),
    keyAlgorithm,
    receiver: {
      targets: renew ? [] : [pfxPath, chainPath, ...(keyPath === undefined ? [] : [keyPath])],
      take: (device) => save(device, renew),
      async finish(undelivered) {
        const saved = await readSavedDevice(registrationId, { folder, password });
        const record = recordOf(saved, undelivered);
        // Its other files may be missing: all of them can be made out of the PFX.
        if (saved && record) await save({ ...saved, registrationId }, true);
        return record?.serialNumber;
      },
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
    output,
    ...issueOptions(flags),
    ...(allow !== undefined && { allow }),
    receiver: {
      targets: renew || out === undefined ? [] : [out],
      async take(device) {
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
      async finish(undelivered) {
        const saved = out === undefined ? undefined : await readLeaf(out);
        const record = recordOf(saved, undelivered);
        if (saved && record) output.result({ ...describe({ ...record, ...saved }), chainPath: out });
        return record?.serialNumber;
      },
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

async function readLeaf(path: string): Promise<CertificateDetails | undefined> {
  const pem = await readFile(path, 'utf8').catch(() => '');
  return pem === '' ? undefined : readCertificates(pem)[0];
}

/** The inventory's record of a certificate that was found, where that is one of an interrupted run. */
function recordOf(
  saved: CertificateDetails | undefined,
  undelivered: readonly CertificateRecord[],
): CertificateRecord | undefined {
  return undelivered.find(({ serialNumber }) => serialNumber === saved?.serialNumber);
}

function describe(device: Omit<DeviceCertificate, 'chainPem'>): Record<string, unknown> {
  const { registrationId, subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 } = device;
  return { registrationId, subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 };
}
