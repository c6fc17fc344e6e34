import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../service/config.ts';
import { systemdUnit } from '../service/systemd-unit.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

const examples = `
  $ contoso-device systemd-unit --config /etc/contoso-device/config.json > /etc/systemd/system/contoso-device.service
  $ systemctl enable --now contoso-device`;

export function addSystemdUnitCommand(program: Command, context: CommandContext): void {
  const command = program.command('systemd-unit').description('print a unit file that runs the device under systemd');
  addConfigOption(command)
    .addHelpText('after', examples)
    .action((flags: ConfigFlags) => printUnit(context, flags));
}

async function printUnit({ output }: CommandContext, flags: ConfigFlags): Promise<void> {
  const unit = systemdUnit({
    config: await readConfig(flags.config),
    configFile: resolve(flags.config),
    command: [process.execPath, resolve(process.argv[1] ?? 'contoso-device')],
  });
  if (output.json) output.result({ unit });
  else output.raw(unit);
}
