import { EmulatorError } from '../errors.ts';

/** Runs a command; an {@link EmulatorError} is told in one line on standard error, and the exit code is 1. */
export async function reportFailure(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof EmulatorError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 1;
  }
}
