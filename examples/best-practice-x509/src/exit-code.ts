import { CommanderError } from 'commander';
import type { Output } from './reporter.ts';

/** 0: done. 1: failed; the error says what to do. 2: called in the wrong way; nothing was done. */
export type ExitCode = 0 | 1 | 2;

/** Shows what went wrong and gives the exit code for it. */
export function showError(
  error: unknown,
  { json, stdout, stderr }: { json: boolean; stdout: Output; stderr: Output },
): ExitCode {
  // Commander has shown its own errors, help and version already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const { message } = error instanceof Error ? error : { message: String(error) };
  const code = codeOf(error);
  if (json) stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  else stderr.write(`\nError${code === undefined ? '' : ` ${code}`}: ${message}\n`);
  return code === 'ERR_USAGE' ? 2 : 1;
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
