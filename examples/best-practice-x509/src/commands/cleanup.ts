import type { Command } from 'commander';
import { cleanUp, type CleanUpOptions } from '../cleanup.ts';
import { addCloudOptions, addSubscriptionOption, type CloudFlags, type CommandContext } from './context.ts';

type CleanupFlags = CloudFlags & Omit<CleanUpOptions, 'dryRun'> & { readonly dryRun?: true };

export function addCleanupCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('cleanup')
    .description('take the device out of its hub and the group out of DPS, so that the device cannot come back')
    .requiredOption('--resource-group <name>', 'resource group of DPS and hub')
    .requiredOption('--dps-name <name>', 'Device Provisioning Service instance')
    .requiredOption('--iot-hub-name <name>', 'IoT Hub that the device is registered with')
    .requiredOption('--device-id <id>', 'the device')
    .option('--group-enrollment-id <id>', 'the enrollment group', 'x509GroupEnrollment')
    .option('--dry-run', 'only show what would be done');
  addSubscriptionOption(addCloudOptions(command))
    .addHelpText(
      'after',
      `
Example:
  $ best-practice-x509 cleanup --cloud emulator/cloud.json --resource-group contoso --dps-name contoso-dps \\
      --iot-hub-name contoso-hub --device-id thermostat-1 --dry-run`,
    )
    .action((flags: CleanupFlags) =>
      context.inSession(flags, async (session) => {
        const options = { ...flags, dryRun: flags.dryRun === true };
        context.reporter.result({ ...(await cleanUp(session, options, context.reporter)) });
      }),
    );
}
