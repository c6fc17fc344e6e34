import { Option, type Command } from 'commander';
import { createLineAuthority, createRootAuthority, type CertificateAuthority } from '../authority.ts';
import { loadAuthority, saveAuthority, type AuthorityPaths } from '../authority-files.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import {
  addFolderOptions,
  keyAlgorithms,
  parseDays,
  rootName,
  type CommandContext,
  type FolderFlags,
} from './context.ts';
import { addCeremonyOptions, ceremonyStep, type CeremonyFlags } from './ceremony.ts';
import { addPasswordOption, readPassword } from './password.ts';
import { UsageError } from './usage-error.ts';

interface AuthorityFlags extends FolderFlags {
  days: number;
  keyAlgorithm: KeyAlgorithm;
  rootPasswordFile?: string;
}

type LineCreationFlags = AuthorityFlags & CeremonyFlags;

export function addInitCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('init')
    .description('make a root authority')
    .argument('<name>', 'its common name, such as "Contoso Root CA"')
    .option('--days <days>', 'how long it is valid', parseDays, 3650)
    .addOption(keyAlgorithmOption());
  addPasswordOption(addFolderOptions(command), 'root', "of the root's key")
    .addHelpText('after', '\n  $ contoso-pki init "Contoso Root CA" --root-password-file root.password')
    .action((name: string, flags: AuthorityFlags) => init(context, name, flags));
}

export function addLineCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('line')
    .description('make the authority of a production line, signed by the root')
    .argument('<name>', 'its common name, and the first part of its file names, such as line-1')
    .option('--days <days>', 'how long it is valid; cut to the end of the root', parseDays, 1825)
    .addOption(keyAlgorithmOption());
  addCeremonyOptions(addPasswordOption(addFolderOptions(command), 'root', "of the root's key"));
  addPasswordOption(command, 'line', "of the line's key")
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

async function init({ output }: CommandContext, commonName: string, flags: AuthorityFlags): Promise<void> {
  const { folder, days: validityDays, keyAlgorithm, rootPasswordFile: file } = flags;
  const password = await readPassword({ name: 'root', label: 'new root', file, isNew: true });
  const root = await createRootAuthority({ commonName, validityDays, keyAlgorithm });
  const paths = await saveAuthority(root, { folder, name: rootName, password });
  output.result(describe(root, paths));
}

async function createLine(context: CommandContext, lineName: string, flags: LineCreationFlags): Promise<void> {
  const { output } = context;
  const { folder, days: validityDays, keyAlgorithm, rootPasswordFile, linePasswordFile } = flags;
  if (lineName === rootName) throw new UsageError(`"${rootName}" is the root's name: give the line another one.`);
  const step = ceremonyStep(context, lineName, flags);
  if (step) return step;
  const rootPassword = await readPassword({ name: 'root', label: 'root', file: rootPasswordFile, isNew: false });
  const root = await loadAuthority({ folder, name: rootName, password: rootPassword });
  const password = await readPassword({
    name: 'line',
    label: `new line "${lineName}"`,
    file: linePasswordFile,
    isNew: true,
  });
  const line = await createLineAuthority(root, { lineName, validityDays, keyAlgorithm });
  const paths = await saveAuthority(line, { folder, name: lineName, password });
  output.result(describe(line, paths));
}

function describe(authority: CertificateAuthority, paths: AuthorityPaths): Record<string, unknown> {
  const { subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256 } = authority;
  return { subject, serialNumber, notAfter, thumbprintSha1, thumbprintSha256, ...paths };
}

function keyAlgorithmOption(): Option {
  return new Option('--key-algorithm <name>', 'kind of its key').choices(keyAlgorithms).default('P-256');
}
