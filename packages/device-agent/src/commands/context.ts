import type { Command } from 'commander';
import type { Output } from './output.ts';

/** What the commands share. */
export interface CommandContext {
  readonly output: Output;
  readonly stdout: NodeJS.WriteStream;
}

/** Options that every command has. */
export interface ConfigFlags {
  readonly config: string;
}

export function addConfigOption(command: Command): Command {
  return command
    .requiredOption('--config <file>', 'JSON that says what the device is and where it connects; see docs/service.md')
    .option('--json', 'one JSON object a line, the last one {"result":...} or {"error":...}');
}
