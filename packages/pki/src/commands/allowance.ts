import type { Command } from 'commander';
import type { DeviceAllowance } from '../certificate-request.ts';
import { readIds } from './order-source.ts';
import { UsageError } from './usage-error.ts';

/** Options that say which devices' requests are signed. */
export interface AllowanceFlags {
  allow?: string;
  allowAny: boolean;
}

export function addAllowanceOptions(command: Command): Command {
  return command
    .option('--allow <file>', 'the devices whose requests are signed, a registration ID a line; "-": standard input')
    .option('--allow-any', 'sign for whichever device a request names', false);
}

/**
 * @param others - another option that says it, for the message
 * @returns undefined: none of the options is given, where there is another one
 */
export async function readAllowance(
  { allow, allowAny }: AllowanceFlags,
  others?: { name: string; isGiven: boolean },
): Promise<DeviceAllowance | undefined> {
  if (allow !== undefined && allowAny) throw new UsageError('Give --allow or --allow-any, not both.');
  if (allowAny) return 'any';
  if (allow === undefined) {
    if (others?.isGiven) return undefined;
    throw new UsageError(
      `A request names any device that its maker likes: say which are to be signed, with ${others ? `${others.name} or ` : ''}` +
        '--allow, or that all are, with --allow-any.',
    );
  }
  const allowed = new Set<string>();
  for await (const registrationId of (await readIds(allow)).items) allowed.add(registrationId);
  return (registrationId) => allowed.has(registrationId);
}
