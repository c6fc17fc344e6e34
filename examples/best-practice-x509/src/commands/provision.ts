import type { Command } from 'commander';
import { provisionDevice } from '../provision.ts';
import { addCloudOptions, type CommandContext } from './context.ts';
import { addDeviceOptions, readDeviceOptions, type DeviceFlags } from './device-options.ts';
import { wholeNumber } from './number-options.ts';

interface ProvisionFlags extends DeviceFlags {
  readonly idScope: string;
  readonly attempts: number;
}

export function addProvisionCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('provision')
    .description('register a device with DPS, connect it, send one telemetry message')
    .requiredOption('--id-scope <scope>', "the DPS instance's ID scope, 0ne...")
    .option('--attempts <n>', 'tries for the hub', wholeNumber, 3);
  addCloudOptions(addDeviceOptions(command))
    .addHelpText(
      'after',
      `
Example:
  $ best-practice-x509 provision --cloud emulator/cloud.json --id-scope 0ne00000012 \\
      --certificate-name certs/thermostat-1.pfx --certificate-password-file password`,
    )
    .action(async (flags: ProvisionFlags) => {
      const { idScope, attempts } = flags;
      const result = await provisionDevice(
        { ...(await readDeviceOptions(context, flags)), idScope, attempts },
        context.reporter,
      );
      context.reporter.result({ ...result });
    });
}
