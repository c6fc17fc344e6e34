import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readConfig } from '../service/config.ts';
import { collectBundle, writeBundle } from '../service/support-bundle.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

interface BundleFlags extends ConfigFlags {
  readonly out: string;
}

const examples = `
  $ contoso-device support-bundle --config /etc/contoso-device/config.json --out support.tar.gz

It holds the doctor's report, the log, the configuration, counts of what waits on disk, and versions. Keys, passwords, message
bodies and values of the twin are not in it; look through it all the same before you send it.`;

export function addSupportBundleCommand(program: Command, context: CommandContext): void {
  const command = program.command('support-bundle').description('pack what support asks for, without secrets');
  addConfigOption(command)
    .requiredOption('--out <file>', 'the .tar.gz to write, readable by you alone')
    .addHelpText('after', examples)
    .action((flags: BundleFlags) => pack(context, flags));
}

async function pack({ output }: CommandContext, flags: BundleFlags): Promise<void> {
  const entries = await collectBundle(await readConfig(flags.config));
  const out = resolve(flags.out);
  await writeBundle(out, entries);
  const contents = Object.fromEntries(entries.map(({ name, about }) => [name, about]));
  output.result(output.json ? { out, contents } : { out, ...contents });
}
