import type { Command } from 'commander';
import { PkiError } from '../errors.ts';
import { explain } from '../explain.ts';
import { readWholeFile } from '../file-set.ts';
import type { CommandContext } from './context.ts';

interface ExplainFlags {
  trusted?: string;
  registrationId?: string;
  crl: readonly string[];
  authority: boolean;
}

export function addExplainCommand(program: Command, context: CommandContext): void {
  program
    .command('explain')
    .description('say what is wrong with a chain, in the order in which to mend it, and what Azure would say')
    .argument('<file>', 'PEM: device, line authority, root')
    .option('--trusted <file>', 'authorities that are trusted, PEM (default: whatever root the chain has)')
    .option('--registration-id <id>', 'the device whose chain it has to be')
    .option(
      '--crl <file>',
      'revocation list, PEM or DER; may be given again',
      (file, files: string[]) => [...files, file],
      [],
    )
    .option('--authority', "the chain is an authority's, not a device's", false)
    .option('--json', 'one JSON object a line, the last one {"result":...} or {"error":...}')
    .addHelpText(
      'after',
      '\n  $ contoso-pki explain thermostat-1.chain.pem --trusted root.cer.pem --registration-id thermostat-1',
    )
    .action((file: string, flags: ExplainFlags) => explainChain(context, file, flags));
}

async function explainChain({ output }: CommandContext, file: string, flags: ExplainFlags): Promise<void> {
  const { trusted, registrationId, crl, authority } = flags;
  const chain = (await readWholeFile(file)).toString('utf8');
  const found = await explain(chain, {
    ...(trusted !== undefined && { trustedRootsPem: (await readWholeFile(trusted)).toString('utf8') }),
    ...(registrationId !== undefined && { registrationId }),
    ...(authority && { purpose: 'authority' as const }),
    crls: await Promise.all(crl.map((path) => readWholeFile(path))),
  });
  for (const finding of found.findings) {
    const { severity, code, message, azure } = finding;
    const number = azure.errorCode === undefined ? '' : ` ${azure.errorCode}`;
    await output.row(
      'finding',
      finding,
      `${severity} ${code}: ${message}\n  ${azure.service}${number} (${azure.basis}): ${azure.says}`,
    );
  }
  const { isValid, azure } = found;
  output.result({ isValid, azure: output.json ? azure : azure.says });
  if (isValid) return;
  throw new PkiError('ERR_PKI_CHAIN_INVALID', 'The chain is refused: mend what is listed above, from the top.');
}
