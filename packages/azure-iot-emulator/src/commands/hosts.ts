import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readCloudFile } from '../cloud-file.ts';
import { listResourceNames } from './resource-names.ts';
import { reportFailure } from './failure.ts';

const EXAMPLES = `
Examples:
  $ azure-iot-emulator start --https-port 443 --names azure --folder .
  $ azure-iot-emulator hosts --cloud ./cloud.json | sudo tee -a /etc/hosts

For programs that exec can't lead: they keep Azure's names and need Azure's ports, and have to trust the root, which
'env' writes to roots.pem. Remove the lines afterwards: until then this machine can't reach the real ones.`;

/** Names that every Azure client may ask for. */
const COMMON_NAMES = [
  'management.azure.com',
  'login.microsoftonline.com',
  'global.azure-devices-provisioning.net',
  'global.azure-devices-provisioning.localhost',
];

interface HostsFlags {
  readonly cloud?: string;
  readonly hub: readonly string[];
  readonly dps: readonly string[];
}

/** Adds `hosts` to the program. */
export function registerHosts(program: Command): void {
  const collect = (name: string, names: readonly string[]): readonly string[] => [...names, name];
  program
    .command('hosts')
    .description('print lines for /etc/hosts')
    .option('--cloud <file>', 'cloud.json of a running emulator, whose hubs and DPS instances are listed')
    .option('--hub <name>', 'a hub that will be made; may be repeated', collect, [])
    .option('--dps <name>', 'a DPS that will be made; may be repeated', collect, [])
    .addHelpText('after', EXAMPLES)
    .action((flags: HostsFlags) => reportFailure(() => printHosts(flags)));
}

async function printHosts(flags: HostsFlags): Promise<void> {
  const cloud = flags.cloud === undefined ? undefined : await readCloudFile(resolve(flags.cloud));
  const found = cloud === undefined ? { hubs: [], dps: [] } : await listResourceNames(cloud);
  const address = cloud?.ports.address ?? '127.0.0.1';
  const names = [
    ...COMMON_NAMES,
    ...[...found.hubs, ...flags.hub].flatMap((name) => withSuffixes(name, 'azure-devices')),
    ...[...found.dps, ...flags.dps].flatMap((name) => withSuffixes(name, 'azure-devices-provisioning')),
  ];
  for (const name of new Set(names)) process.stdout.write(`${address} ${name}\n`);
}

function withSuffixes(name: string, domain: string): readonly string[] {
  return ['net', 'localhost'].map((top) => `${name.toLowerCase()}.${domain}.${top}`);
}
