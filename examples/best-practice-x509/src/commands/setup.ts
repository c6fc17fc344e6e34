import type { Command } from 'commander';
import { addPasswordOptions, readPassword } from '../password.ts';
import { setUp } from '../setup.ts';
import { addCloudOptions, addSubscriptionOption, type CloudFlags, type CommandContext } from './context.ts';

interface SetupFlags extends CloudFlags {
  readonly certFolderPath: string;
  readonly dpsResourceGroup: string;
  readonly dpsName: string;
  readonly deviceId: string;
  readonly iotHubName: readonly string[];
  readonly line: string;
  readonly enrollmentGroupId: string;
  readonly location?: string;
  readonly create?: true;
  readonly force?: true;
  readonly rootCertPassword?: string;
  readonly rootCertPasswordFile?: string;
}

export function addSetupCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('setup')
    .description('make certificates, upload the root and prove its possession, enroll a production line')
    .requiredOption('--cert-folder-path <folder>', 'folder for certificates and keys')
    .requiredOption('--dps-resource-group <name>', 'resource group of the DPS instance and the hub')
    .requiredOption('--dps-name <name>', 'Device Provisioning Service instance')
    .requiredOption('--device-id <id>', 'device ID and registration ID, lower case')
    .requiredOption('--iot-hub-name <name>', 'IoT Hub to be linked; may be given again', collect)
    .option('--line <name>', 'production line', 'line-1')
    .option('--enrollment-group-id <id>', "the line's enrollment group", 'x509GroupEnrollment')
    .option('--location <region>', 'Azure region for what is created')
    .option('--create', 'create resource group, hub, DPS and link where missing (hub and DPS cost money in Azure)')
    .option('--force', 'issue the device certificate anew, replace a root of the same name, make the group anew');
  addPasswordOptions(command, 'root-cert-password', 'of all keys in the folder');
  addSubscriptionOption(addCloudOptions(command))
    .addHelpText(
      'after',
      `
Example:
  $ best-practice-x509 setup --cloud emulator/cloud.json --create --location westeurope \\
      --dps-resource-group contoso --dps-name contoso-dps --iot-hub-name contoso-hub \\
      --cert-folder-path certs --root-cert-password-file password --device-id thermostat-1`,
    )
    .action((flags: SetupFlags) => runSetup(context, flags));
}

async function runSetup(context: CommandContext, flags: SetupFlags): Promise<void> {
  const { reporter } = context;
  const rootCertPassword = await readPassword(
    {
      label: 'certificates',
      option: 'root-cert-password',
      value: flags.rootCertPassword,
      file: flags.rootCertPasswordFile,
    },
    (text) => reporter.warn(text),
  );
  await context.inSession(flags, async (session) => {
    const { iotHubName: iotHubNames, create = false, force = false } = flags;
    const options = { ...flags, rootCertPassword, iotHubNames, create, force };
    reporter.result({ ...(await setUp(session, options, reporter)) });
  });
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
