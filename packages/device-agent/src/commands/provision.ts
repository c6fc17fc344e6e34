import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { provision } from '../protocol/provision.ts';
import { keptCredential } from '../renewal/kept-credential.ts';
import { configuredAgent } from '../service/agent-options.ts';
import { configError, readConfig } from '../service/config.ts';
import { takeFolderLock } from '../state/folder-lock.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

export function addProvisionCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('provision')
    .description('register the device with DPS once and show its assignment; refused while the service runs');
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
  const { stateFolder, transport, proxy, trustedRootsPem, provisioningPayload } = options;
  // Registered with another certificate, a device that runs would be refused by its hub.
  if (existsSync(stateFolder)) takeFolderLock(stateFolder).release();
  const identity = await keptCredential(stateFolder, options.identity, new Date());
  const { payload: _, ...assignment } = await provision({
    identity,
    provisioning: config.connectTo,
    ...(transport !== undefined && { transport }),
    ...(proxy && { proxy }),
    ...(provisioningPayload && { payload: provisioningPayload }),
    ...(trustedRootsPem !== undefined && { trustedRootsPem }),
  });
  output.result(assignment);
}
