import { CommanderError } from 'commander';
import type { Stream } from './output.ts';

/** 0: done. 1: failed; the error says what to do. 2: called in the wrong way; nothing was done. */
export type ExitCode = 0 | 1 | 2;

/** Shows what went wrong and gives the exit code for it. */
export function showError(error: unknown, options: { json: boolean; stdout: Stream; stderr: Stream }): ExitCode {
  const { json, stdout, stderr } = options;
  if (error instanceof CommanderError) {
    // Commander has shown its own errors and help to people already.
    if (error.exitCode === 0) return 0;
    if (json) stdout.write(`${JSON.stringify({ error: { code: 'ERR_USAGE', message: error.message } })}\n`);
    return 2;
  }
  const { message } = error instanceof Error ? error : { message: String(error) };
  const code = codeOf(error);
  if (json) stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  else stderr.write(`Error${code === undefined ? '' : ` ${code}`}: ${message}\n`);
  return code === 'ERR_USAGE' ? 2 : 1;
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
