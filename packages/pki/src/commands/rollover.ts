import type { Command } from 'commander';
import { readWholeFile, writeFileSet } from '../file-set.ts';
import { planLineRollover, planRootRollover, type RolloverStep } from '../life/rollover.ts';
import type { CommandContext } from './context.ts';
import { UsageError } from './usage-error.ts';

interface RolloverFlags {
  group: readonly string[];
  old: readonly string[];
  new: readonly string[];
  oldRoot?: string;
  newRoot?: string;
  compromised: boolean;
  out?: string;
}

export function addRolloverCommand(program: Command, context: CommandContext): void {
  const collect = (value: string, values: readonly string[]): string[] => [...values, value];
  program
    .command('rollover')
    .description('plan the change to a new line, or a new root, while devices stay connected')
    .requiredOption('--group <id>', "the line's enrollment group; again for each line of a root", collect, [])
    .requiredOption('--old <file>', "the line's certificate now, PEM; one for each group", collect, [])
    .requiredOption('--new <file>', 'the certificate of the line that follows, PEM; one for each group', collect, [])
    .option('--old-root <name=file>', 'name in DPS and certificate of the root now, for a change of the root')
    .option('--new-root <name=file>', 'name in DPS and certificate of the root that follows')
    .option('--compromised', "the old line's key is in wrong hands: no overlap", false)
    .option('--out <file>', 'where the steps go, JSON, for dps-admin')
    .option('--json', 'one JSON object a line, the last one {"result":...} or {"error":...}')
    .addHelpText(
      'after',
      `
  $ contoso-pki rollover --group line-1 --old pki/line-1.cer.pem --new pki/line-1b.cer.pem --out steps.json`,
    )
    .action((flags: RolloverFlags) => planRollover(context, flags));
}

async function planRollover({ output }: CommandContext, flags: RolloverFlags): Promise<void> {
  const { oldRoot, newRoot, compromised, out } = flags;
  checkFlags(flags);
  const [line, ...more] = await readLines(flags);
  if (!line) return;
  const steps =
    oldRoot !== undefined && newRoot !== undefined
      ? planRootRollover({ oldRoot: await readRoot(oldRoot), newRoot: await readRoot(newRoot), lines: [line, ...more] })
      : planLineRollover({ ...line, isCompromised: compromised });
  await show({ output }, steps, out);
}

function checkFlags({ group, old, new: next, oldRoot, newRoot, compromised }: RolloverFlags): void {
  if (group.length !== old.length || group.length !== next.length) {
    throw new UsageError(
      `Each --group needs its --old and its --new: there are ${group.length}, ${old.length} and ${next.length}.`,
    );
  }
  if ((oldRoot === undefined) !== (newRoot === undefined)) throw new UsageError('Give both --old-root and --new-root.');
  if (newRoot === undefined && group.length > 1) {
    throw new UsageError('A line rolls over with one --group; several belong to a roll-over of their root.');
  }
  if (compromised && newRoot !== undefined) throw new UsageError('--compromised is for a line, not for a root.');
}

async function show(
  { output }: Pick<CommandContext, 'output'>,
  steps: readonly RolloverStep[],
  out?: string,
): Promise<void> {
  for (const [index, step] of steps.entries()) await output.row('step', step, `${index + 1}. ${step.title}`);
  if (out !== undefined) {
    await writeFileSet([{ path: out, data: `${JSON.stringify(steps, undefined, 2)}\n`, access: 'public' }], false);
  }
  output.result({ steps: steps.length, path: out });
}

async function readLines({ group, old, new: next }: RolloverFlags) {
  return Promise.all(
    group.map(async (enrollmentGroupId, index) => ({
      enrollmentGroupId,
      oldCertificatePem: await readText(old[index] ?? ''),
      newCertificatePem: await readText(next[index] ?? ''),
    })),
  );
}

async function readRoot(text: string): Promise<{ certificateName: string; certificatePem: string }> {
  const [, certificateName = '', path = ''] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (path === '')
    throw new UsageError(`"${text}" is not of the form name=file, such as contoso-root=pki/root.cer.pem.`);
  return { certificateName, certificatePem: await readText(path) };
}

async function readText(path: string): Promise<string> {
  return (await readWholeFile(path)).toString('utf8');
}
