import type { Command } from 'commander';
import { provision } from '../protocol/provision.ts';
import { configuredAgent } from '../service/agent-options.ts';
import { configError, readConfig } from '../service/config.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

export function addProvisionCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('provision')
    .description('register the device with DPS once and show its assignment; a running service is left as it is');
  addConfigOption(command)
    .addHelpText('after', '\n  $ contoso-device provision --config device.json')
    .action((flags: ConfigFlags) => provisionOnce(context, flags));
}

async function provisionOnce({ output }: CommandContext, flags: ConfigFlags): Promise<void> {
  const config = await readConfig(flags.config);
  if (!('idScope' in config.connectTo)) {
    throw configError(`connectTo in ${flags.config} names a hub: there is no DPS to ask.`, 'Give an idScope instead.');
  }
  const { options, secrets } = await configuredAgent(config);
  output.hide(secrets);
  const { identity, transport, proxy, trustedRootsPem } = options;
  const { payload: _, ...assignment } = await provision({
    identity,
    provisioning: config.connectTo,
    ...(transport !== undefined && { transport }),
    ...(proxy && { proxy }),
    ...(trustedRootsPem !== undefined && { trustedRootsPem }),
  });
  output.result(assignment);
}
