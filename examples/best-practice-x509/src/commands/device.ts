import type { DeviceAgentOptions } from '@contoso/device-agent';
import type { Command } from 'commander';
import { runDevice } from '../device.ts';
import { UsageError } from '../usage-error.ts';
import { addCloudOptions, type CommandContext } from './context.ts';
import { addDeviceOptions, readDeviceOptions, type DeviceFlags } from './device-options.ts';
import { seconds, wholeNumber } from './number-options.ts';

interface RunFlags extends DeviceFlags {
  readonly idScope?: string;
  readonly hubHostName?: string;
  readonly deviceId?: string;
  readonly applicationRunningTime?: number;
  readonly telemetryInterval: number;
  readonly attempts?: number;
}

export function addDeviceCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('device')
    .description('run a thermostat until it is stopped (Ctrl+C)')
    .option('--id-scope <scope>', 'ask this DPS for the hub, and keep its answer')
    .option('--hub-host-name <host>', 'connect to this hub; needs --device-id')
    .option('--device-id <id>', 'device ID at that hub')
    .option('--application-running-time <seconds>', 'stop after this time', seconds)
    .option('--telemetry-interval <seconds>', 'between two measurements', seconds, 15)
    .option('--attempts <n>', 'tries in a row before giving up; without it, never', wholeNumber);
  addCloudOptions(addDeviceOptions(command))
    .addHelpText(
      'after',
      `
Examples:
  $ best-practice-x509 device --id-scope 0ne00000012 --certificate-name certs/thermostat-1.pfx
  $ best-practice-x509 device --hub-host-name contoso-hub.azure-devices.net --device-id thermostat-1 \\
      --certificate-name certs/thermostat-1.pfx --transport-type mqtt-websocket`,
    )
    .action((flags: RunFlags) => run(context, flags));
}

async function run(context: CommandContext, flags: RunFlags): Promise<void> {
  checkTarget(flags);
  const basics = await readDeviceOptions(context, flags);
  const { applicationRunningTime: runningTime, attempts, telemetryInterval } = flags;
  const result = await runDevice(
    {
      ...basics,
      connectTo: connectTo(flags, basics.globalDeviceEndpoint),
      attempts,
      telemetryIntervalMs: telemetryInterval * 1000,
      runningTimeMs: runningTime === undefined ? undefined : runningTime * 1000,
    },
    context.reporter,
  );
  context.reporter.result({ ...result });
}

function checkTarget({ idScope, hubHostName, deviceId }: RunFlags): void {
  if (idScope !== undefined ? hubHostName === undefined : hubHostName !== undefined && deviceId !== undefined) return;
  throw new UsageError('Give either --id-scope, or --hub-host-name with --device-id.');
}

function connectTo(
  { idScope, hubHostName = '', deviceId = '' }: RunFlags,
  endpoint: string,
): DeviceAgentOptions['connectTo'] {
  return idScope === undefined ? { hostName: hubHostName, deviceId } : { idScope, endpoint };
}
