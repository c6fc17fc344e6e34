import type { Command } from 'commander';
import { runDemo } from '../demo.ts';
import type { CommandContext } from './context.ts';
import { wholeNumber } from './number-options.ts';

export function addDemoCommand(program: Command, { reporter }: CommandContext): void {
  program
    .command('demo')
    .description('the whole story on an emulator of its own: nothing is needed, nothing is left behind')
    .option('--devices <n>', 'thermostats on each of the two lines', wholeNumber, 1)
    .option('--keep <folder>', 'keep certificates, keys and state there')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', '\nExample:\n  $ best-practice-x509 demo --devices 5 --keep ./kept')
    .action(async ({ devices, keep }: { readonly devices: number; readonly keep?: string }) => {
      reporter.result({ ...(await runDemo({ devicesPerLine: devices, keepFolder: keep }, reporter)) });
    });
}
