import type { Command } from 'commander';
import { readConfig } from '../service/config.ts';
import { runService } from '../service/service.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';
import { showEnd, showError } from './exit-code.ts';

const examples = `
  $ contoso-device run --config /etc/contoso-device/config.json
  $ contoso-device run --config device.json | jq .message

The log is on standard output, one JSON object a line. SIGTERM and Ctrl+C stop the device when it has delivered what it can,
and the log says how much telemetry waits on disk. Exit codes: 0 stopped as asked, 1 failed (start it again, as the systemd
unit does), 2 another start can't help: the configuration has to be mended, or with onRefusal "end" the device was refused.`;

/** What an application has left running may keep a process alive for so long after its service has ended, in milliseconds. */
const lingerMs = 1_000;

export function addRunCommand(program: Command, context: CommandContext): void {
  const command = program.command('run').description('keep the device connected, and run its application');
  addConfigOption(command)
    .addHelpText('after', examples)
    .action((flags: ConfigFlags) => run(context, flags));
}

async function run({ output, stdout }: CommandContext, flags: ConfigFlags): Promise<void> {
  // From the beginning: a signal that comes while the service starts must not be lost.
  const stopAsked = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
  const uncaught = new Promise<unknown>((resolve) => {
    process.on('uncaughtException', resolve);
  });
  try {
    const config = await readConfig(flags.config);
    const hide = (secrets: readonly string[]): void => output.hide(secrets);
    const { error } = await runService({ config, stdout, env: process.env, stopAsked, uncaught, hide });
    if (error !== undefined) process.exitCode = showEnd(error, output);
  } catch (error) {
    process.exitCode = showError(error, output);
  }
  setTimeout(() => process.exit(), lingerMs).unref();
}
