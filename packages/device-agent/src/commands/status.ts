import type { Command } from 'commander';
import { configError, readConfig } from '../service/config.ts';
import { latestHealth } from '../service/latest-health.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

const examples = `
  $ contoso-device status --config /etc/contoso-device/config.json
  $ contoso-device status --config device.json --json

Exit codes: 0 connected, 1 not connected or not running, 2 the configuration has neither health.file nor health.port.`;

export function addStatusCommand(program: Command, context: CommandContext): void {
  const command = program.command('status').description('show how a running device is');
  addConfigOption(command)
    .addHelpText('after', examples)
    .action((flags: ConfigFlags) => showStatus(context, flags));
}

async function showStatus({ output }: CommandContext, flags: ConfigFlags): Promise<void> {
  const config = await readConfig(flags.config);
  if (config.health.file === undefined && !config.health.port) {
    throw configError(
      `${flags.config} has neither health.file nor health.port: nothing says how the device is.`,
      'Set one of them, and start the service again.',
    );
  }
  const { report, isRunning } = await latestHealth(config.health);
  const { state, ...rest } = report ?? {};
  output.result({ isRunning, status: state?.status, reason: state?.reason, ...rest });
  if (!isRunning || state?.status !== 'Connected') process.exitCode = 1;
}
