import { dirname, join } from 'node:path';
import type { Transport } from '@contoso/device-agent';
import { Option, type Command } from 'commander';
import { addPasswordOptions, readPassword } from '../password.ts';
import type { CloudFlags, CommandContext } from './context.ts';

/** Options of the commands that are a device. */
export interface DeviceFlags extends CloudFlags {
  readonly certificateName: string;
  readonly certificatePassword?: string;
  readonly certificatePasswordFile?: string;
  readonly globalDeviceEndpoint?: string;
  readonly transportType: Transport;
  readonly stateFolder?: string;
}

/** Those options with everything filled in. */
export interface DeviceBasics {
  readonly certificateName: string;
  readonly certificatePassword: string;
  readonly transportType: Transport;
  readonly globalDeviceEndpoint: string;
  readonly stateFolder: string;
  readonly trustedRootsPem: string | undefined;
}

export function addDeviceOptions(command: Command): Command {
  command.requiredOption('--certificate-name <file>', 'PFX with key and chain');
  return addPasswordOptions(command, 'certificate-password', 'of the PFX')
    .option('--global-device-endpoint <host>', "default: the cloud's")
    .addOption(new Option('--transport-type <type>').choices(['mqtt', 'mqtt-websocket']).default('mqtt'))
    .option('--state-folder <folder>', 'default: folder `state` beside the PFX');
}

export async function readDeviceOptions(
  { openCloud, reporter }: CommandContext,
  flags: DeviceFlags,
): Promise<DeviceBasics> {
  const cloud = await openCloud(flags);
  const certificatePassword = await readPassword(
    {
      label: 'device certificate',
      option: 'certificate-password',
      value: flags.certificatePassword,
      file: flags.certificatePasswordFile,
    },
    (text) => reporter.warn(text),
  );
  return {
    certificateName: flags.certificateName,
    certificatePassword,
    transportType: flags.transportType,
    globalDeviceEndpoint: flags.globalDeviceEndpoint ?? cloud.provisioningDeviceEndpoint,
    stateFolder: flags.stateFolder ?? join(dirname(flags.certificateName), 'state'),
    trustedRootsPem: cloud.trustedRootsPem,
  };
}
