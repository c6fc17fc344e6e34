import { Option, type Command } from 'commander';
import { createLineAuthority, createRootAuthority } from '../authority.ts';
import { authorityPaths, saveAuthority } from '../authority-files.ts';
import { checkNothingThere } from '../file-set.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import { withAuthority, withNewKey } from './authority-key.ts';
import {
  addFolderOptions,
  addInventoryOptions,
  keyAlgorithms,
  parseDays,
  rootName,
  type CommandContext,
  type FolderFlags,
} from './context.ts';
import { addCeremonyOptions, ceremonyStep, describe, rootPlace, type CeremonyFlags } from './ceremony.ts';
import { recordLine } from './line-record.ts';
import { addPasswordOption, readPassword } from './password.ts';
import { addTokenOptions, isInToken, type TokenFlags } from './token.ts';
import { UsageError } from './usage-error.ts';

interface AuthorityFlags extends TokenFlags {
  days: number;
  keyAlgorithm: KeyAlgorithm;
  rootPasswordFile?: string;
}

type RootCreationFlags = AuthorityFlags & FolderFlags;
type LineCreationFlags = AuthorityFlags & CeremonyFlags;

export function addInitCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('init')
    .description('make a root authority')
    .argument('<name>', 'its common name, such as "Contoso Root CA"')
    .option('--days <days>', 'how long it is valid', parseDays, 3650)
    .addOption(keyAlgorithmOption());
  addTokenOptions(addPasswordOption(addFolderOptions(command), 'root', "of the root's key"), "the root's")
    .addHelpText('after', '\n  $ contoso-pki init "Contoso Root CA" --root-password-file root.password')
    .action((name: string, flags: RootCreationFlags) => init(context, name, flags));
}

export function addLineCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('line')
    .description('make the authority of a production line, signed by the root')
    .argument('<name>', 'its common name, and the first part of its file names, such as line-1')
    .option('--days <days>', 'how long it is valid; cut to the end of the root', parseDays, 1825)
    .addOption(keyAlgorithmOption());
  addCeremonyOptions(addPasswordOption(addInventoryOptions(command, 'lines'), 'root', "of the root's key"));
  addTokenOptions(addPasswordOption(command, 'line', "of the line's key"), "this machine's")
    .addHelpText(
      'after',
      `
  $ contoso-pki line line-1
  $ contoso-pki line line-1 --request                                    (a root that is never online: three walks)
  $ contoso-pki line line-1 --sign line-1.csr.pem
  $ contoso-pki line line-1 --import line-1.chain.pem --trusted-root root.cer.pem`,
    )
    .action((name: string, flags: LineCreationFlags) => createLine(context, name, flags));
}

async function init({ output }: CommandContext, commonName: string, flags: RootCreationFlags): Promise<void> {
  const { folder, days: validityDays, keyAlgorithm } = flags;
  await checkNothingThere(Object.values(authorityPaths({ folder, name: rootName })));
  await withNewKey(rootPlace(flags), keyAlgorithm, async (key, password) => {
    const root = await createRootAuthority({ commonName, validityDays, key });
    const paths = await saveAuthority(root, { folder, name: rootName, ...(password !== undefined && { password }) });
    output.result({ ...describe(root), ...paths });
  });
}

async function createLine(context: CommandContext, lineName: string, flags: LineCreationFlags): Promise<void> {
  const { output } = context;
  const { folder, days: validityDays, keyAlgorithm, rootPasswordFile, linePasswordFile: file } = flags;
  if (lineName === rootName) throw new UsageError(`"${rootName}" is the root's name: give the line another one.`);
  const step = ceremonyStep(context, lineName, flags);
  if (step) return step;
  if (isInToken(flags)) {
    throw new UsageError(
      "A line's key in a token takes three walks: --request on its machine, --sign on the root's, --import on its own again.",
    );
  }
  const rootPlace = { folder, name: rootName, kind: 'root', passwordFile: rootPasswordFile } as const;
  await withAuthority(output, rootPlace, async (root) => {
    const need = { name: 'line', label: `new line "${lineName}"`, file, isNew: true } as const;
    const password = await readPassword(need);
    const place = { folder, name: lineName };
    await checkNothingThere(Object.values(authorityPaths(place)));
    const line = await createLineAuthority(root, { lineName, validityDays, keyAlgorithm });
    const paths = await recordLine(flags, { root, lineName, line }, () => saveAuthority(line, { ...place, password }));
    output.result({ ...describe(line), ...paths });
  });
}

function keyAlgorithmOption(): Option {
  return new Option('--key-algorithm <name>', 'kind of its key').choices(keyAlgorithms).default('P-256');
}
