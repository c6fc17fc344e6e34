import { CommanderError } from 'commander';
import type { Output } from './output.ts';

/**
 * - 0: done, or stopped as asked
 * - 1: failed, and worth another try
 * - 2: another try can't help: called or configured in the wrong way, or a service that ends with a refusal was refused
 */
export type ExitCode = 0 | 1 | 2;

/** What another start with the same arguments and files can't mend. */
const wrongCalls: readonly (string | undefined)[] = ['ERR_USAGE', 'ERR_AGENT_CONFIG'];

const refusals: readonly (string | undefined)[] = [
  'ERR_AGENT_DPS_REFUSED',
  'ERR_AGENT_DPS_DISABLED',
  'ERR_AGENT_HUB_REFUSED',
];

/** Shows what went wrong and gives the exit code for it. */
export function showError(error: unknown, output: Output): ExitCode {
  if (error instanceof CommanderError) {
    // Commander has shown its own errors and help to people already.
    if (error.exitCode === 0) return 0;
    if (output.json) output.error('ERR_USAGE', error.message);
    return 2;
  }
  const code = codeOf(error);
  output.error(code, error instanceof Error ? error.message : String(error));
  return wrongCalls.includes(code) ? 2 : 1;
}

/**
 * The same for what ended a service. Only one that was told to (`onRefusal`) ends with a refusal: if it came back each time it was
 * started anew, it would ask without a pause.
 */
export function showEnd(error: unknown, output: Output): ExitCode {
  const exitCode = showError(error, output);
  return refusals.includes(codeOf(error)) ? 2 : exitCode;
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
