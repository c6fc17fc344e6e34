import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openDeviceBundle } from '../device-bundle.ts';
import type { DeviceCredential } from '../device-certificate.ts';
import { readCredential, readSavedDevice, saveDevice, type Credential, type DevicePaths } from '../device-files.ts';
import { PkiError } from '../errors.ts';
import { readWholeFile } from '../file-set.ts';
import { ProgressCount } from '../mass/progress-count.ts';
import type { CommandContext } from './context.ts';
import { addPasswordOption, readPassword } from './password.ts';
import { ProgressBar } from './progress-bar.ts';

interface OpenFlags {
  station: string;
  stationKey?: string;
  trustedRoot: string;
  out: string;
  keyPem: boolean;
  overwrite: boolean;
  stationPasswordFile?: string;
  devicePasswordFile?: string;
}

export function addOpenCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('open')
    .description("on the receiving station: open sealed bundles into each device's files")
    .argument('<bundles...>', 'files that "many" wrote for this station (.bundle.p7m)')
    .requiredOption('--station <file>', "this station's certificate, PEM, or a PFX with its key too")
    .option('--station-key <file>', "this station's key, PEM (default: in the file of --station)")
    .requiredOption('--trusted-root <file>', 'certificate of the root, its thumbprint compared by another way')
    .option('--out <folder>', "where the devices' PFX and chains go", 'devices')
    .option('--key-pem', 'write each key as PEM too, unencrypted', false)
    .option('--overwrite', 'replace files of earlier certificates', false)
    .option('--json', 'one JSON object a line, the last one {"result":...} or {"error":...}');
  addPasswordOption(command, 'station', "of this station's key, where it has one");
  addPasswordOption(command, 'device', "of the devices' PFX")
    .addHelpText(
      'after',
      `
  $ contoso-pki open issued/*.bundle.p7m --station station-7.cer.pem --station-key station-7.key.pem --trusted-root root.cer.pem
What was opened before is left as it is, so that it may be run again after any interruption.`,
    )
    .action((bundles: readonly string[], flags: OpenFlags) => openBundles(context, bundles, flags));
}

async function openBundles(context: CommandContext, bundles: readonly string[], flags: OpenFlags): Promise<void> {
  const { output, stderr } = context;
  const station = await readStation(flags);
  for (const weakness of station.weaknesses) output.warn(`${flags.station}: ${weakness}`);
  const { devicePasswordFile: file, out: folder } = flags;
  const password = await readPassword({ name: 'device', label: "devices' PFX", file, isNew: true });
  const count = new ProgressCount(undefined);
  const bar = new ProgressBar(stderr);
  count.start();
  try {
    for await (const device of readDevices(bundles, station, flags)) {
      const paths = await save(device, password, flags);
      count[paths ? 'issued' : 'skipped'] += 1;
      const { registrationId, serialNumber, thumbprintSha256, notAfter } = device;
      const row = { registrationId, serialNumber, thumbprintSha256, notAfter, ...paths };
      if (paths && output.json) await output.row('device', row, '');
      bar.show(count.read());
    }
  } finally {
    bar.end();
  }
  output.result({ bundles: bundles.length, devices: count.issued, skipped: count.skipped, folder });
}

/** A password is asked for only where the key has one. */
async function readStation({ station, stationKey, stationPasswordFile: file }: OpenFlags): Promise<Credential> {
  const place = { path: station, ...(stationKey !== undefined && { keyPath: stationKey }) };
  try {
    return await readCredential(place);
  } catch (error) {
    if (!(error instanceof PkiError) || error.code !== 'ERR_PKI_PASSWORD_EMPTY') throw error;
    const password = await readPassword({ name: 'station', label: "station's key", file, isNew: false });
    return readCredential({ ...place, password });
  }
}

/** One bundle after the other: no more than one is in memory. */
async function* readDevices(
  bundles: readonly string[],
  { chainPem: certificatePem, privateKeyPem }: Credential,
  { trustedRoot }: OpenFlags,
): AsyncGenerator<DeviceCredential> {
  const trustedRootsPem = (await readWholeFile(trustedRoot)).toString('utf8');
  for (const path of bundles) {
    const bundle = await readWholeFile(path);
    try {
      yield* await openDeviceBundle({ bundle, certificatePem, privateKeyPem, trustedRootsPem });
    } catch (error) {
      throw error instanceof PkiError ? new PkiError(error.code, `${path}: ${error.message}`, { cause: error }) : error;
    }
  }
}

/** @returns undefined: an earlier run has saved it; one that was interrupted is finished */
async function save(
  device: DeviceCredential,
  password: string,
  { out: folder, keyPem, overwrite }: OpenFlags,
): Promise<DevicePaths | undefined> {
  const read = (ending: string): Promise<string | undefined> =>
    readFile(join(folder, `${device.registrationId}.${ending}`), 'utf8').catch(() => undefined);
  // The PFX is put in place first, then the chain, then a key of its own.
  const isSame = (await read('chain.pem')) === device.chainPem;
  if (isSame && (!keyPem || (await read('key.pem')) !== undefined)) return undefined;
  const saved = isSame ? device : await readSavedDevice(device.registrationId, { folder, password });
  const isBegun = saved?.serialNumber === device.serialNumber;
  return saveDevice(device, { folder, password, keyPem, overwrite: overwrite || isBegun });
}
