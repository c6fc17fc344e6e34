import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readCloudFile, writeRootsFile } from '../cloud-file.ts';
import { redirectedEnvironment } from '../redirect/environment.ts';
import { reportFailure } from './failure.ts';

const EXAMPLES = `
Examples:
  $ eval "$(azure-iot-emulator env --cloud ./cloud.json)"

The lines hold the service principal's secret. roots.pem is written beside the cloud file.`;

/** Adds `env` to the program. */
export function registerEnv(program: Command): void {
  program
    .command('env')
    .description('print shell lines that lead programs of this shell to a running emulator')
    .requiredOption('--cloud <file>', 'cloud.json of the emulator')
    .addHelpText('after', EXAMPLES)
    .action(({ cloud }: { readonly cloud: string }) => reportFailure(() => printEnvironment(resolve(cloud))));
}

async function printEnvironment(cloudFile: string): Promise<void> {
  const cloud = await readCloudFile(cloudFile);
  const rootsFile = await writeRootsFile(cloudFile, cloud);
  const environment = redirectedEnvironment({ cloud, cloudFile, rootsFile, base: process.env });
  for (const [name, value] of Object.entries(environment)) {
    process.stdout.write(`export ${name}=${quoted(value)}\n`);
  }
}

/** POSIX shell quoting: nothing is special between single quotes but the quote itself. */
export function quoted(value: string): string {
  return `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
