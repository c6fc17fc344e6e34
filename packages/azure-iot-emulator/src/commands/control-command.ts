import { resolve } from 'node:path';
import type { Command } from 'commander';
import { askEmulator, type ControlRequest } from '../control/control-client.ts';
import type { JsonObject } from '../hub/json.ts';
import { reportFailure } from './failure.ts';

interface ControlFlags {
  readonly cloud: string;
  readonly json?: true;
}

/** What a command of a running emulator does: one request, and the answer in words. */
export interface ControlAction {
  readonly request: ControlRequest;
  readonly show: (answer: JsonObject) => string;
}

/**
 * Lets a command ask a running emulator: adds `--cloud` and `--json`.
 *
 * @param actionOf - gets the command's arguments and flags
 */
export function asksEmulator(
  command: Command,
  actionOf: (args: readonly (string | undefined)[], flags: Readonly<Record<string, unknown>>) => ControlAction,
): void {
  command
    .requiredOption('--cloud <file>', 'cloud.json of the emulator')
    .option('--json', "print the emulator's answer as one line of JSON")
    .action((...given: unknown[]) =>
      reportFailure(async () => {
        // Commander hands over the arguments, then the flags, then the command.
        const args = given.slice(0, -2) as (string | undefined)[];
        const flags = given.at(-2) as ControlFlags & Record<string, unknown>;
        const { request, show } = actionOf(args, flags);
        const answer = await askEmulator(resolve(flags.cloud), request);
        process.stdout.write(`${flags.json ? JSON.stringify(answer) : show(answer)}\n`);
      }),
    );
}
