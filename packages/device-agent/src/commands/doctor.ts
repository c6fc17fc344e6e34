import type { Command } from 'commander';
import { exitCode } from '../diagnosis/diagnosis.ts';
import { formatDiagnosis } from '../diagnosis/diagnosis-text.ts';
import { diagnose } from '../diagnosis/diagnose.ts';
import { diagnosisOptions } from '../service/agent-options.ts';
import { readConfig } from '../service/config.ts';
import { addConfigOption, type CommandContext, type ConfigFlags } from './context.ts';

const examples = `
  $ contoso-device doctor --config /etc/contoso-device/config.json
  $ contoso-device doctor --config device.json --json | jq '.result.checks[] | select(.status == "failed")'

Exit codes: 0 nothing failed, 1 something did (each failure has its fix), 2 the configuration can't be used.`;

export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .description('check everything that the device needs, step by step, and say what to do about each failure');
  addConfigOption(command)
    .addHelpText('after', examples)
    .action((flags: ConfigFlags) => examine(context, flags));
}

async function examine({ output }: CommandContext, flags: ConfigFlags): Promise<void> {
  const { options, secrets } = await diagnosisOptions(await readConfig(flags.config));
  output.hide(secrets);
  const diagnosis = await diagnose(options);
  if (output.json) output.result({ ...diagnosis });
  else output.raw(`${formatDiagnosis(diagnosis)}\n`);
  process.exitCode = exitCode(diagnosis);
}
