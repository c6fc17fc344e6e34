import type { Command } from 'commander';
import { asksEmulator } from './control-command.ts';

/** Adds `reset` to the program. */
export function registerReset(program: Command): void {
  const reset = program
    .command('reset')
    .description('delete everything in a running emulator; its ports, root and service principal stay');
  asksEmulator(reset, () => ({
    request: { method: 'POST', path: '/emulator/reset' },
    show: () => 'The emulator is empty.',
  }));
}
