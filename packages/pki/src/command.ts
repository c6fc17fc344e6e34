import { Command } from 'commander';
import { addInitCommand, addLineCommand } from './commands/authorities.ts';
import { addOpenCommand } from './commands/bundle-opening.ts';
import type { CommandContext } from './commands/context.ts';
import { showError } from './commands/exit-code.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addAuditCommand, addExpiringCommand, addListCommand } from './commands/inventory-reading.ts';
import { addManyCommand } from './commands/many.ts';
import { createOutput } from './commands/output.ts';
import { addCrlCommand, addRevokeCommand } from './commands/revocation.ts';
import { addRolloverCommand } from './commands/rollover.ts';
import { addCsrCommand, addDeviceCommand } from './commands/single-device.ts';

const { stdout, stderr } = process;
const json = process.argv.includes('--json');
const context: CommandContext = { output: createOutput({ json, stdout, stderr }), stderr };

const program = new Command('contoso-pki')
  .description(
    'A factory PKI for devices that connect to Azure with X.509: a root, a line, and devices by the million.',
  )
  .exitOverride()
  .showHelpAfterError('(--help shows all options)')
  .addHelpText(
    'after',
    `
  $ contoso-pki init "Contoso Root CA"
  $ contoso-pki line line-1
  $ contoso-pki device thermostat-1 --line line-1
  $ contoso-pki many order-4711.txt --line line-1 --recipient station-7.cer.pem

Exit codes: 0 done, 1 failed (the error says what to do), 2 called in the wrong way (nothing was done).`,
  );
for (const add of [
  addInitCommand,
  addLineCommand,
  addDeviceCommand,
  addCsrCommand,
  addManyCommand,
  addOpenCommand,
  addListCommand,
  addExpiringCommand,
  addRevokeCommand,
  addCrlCommand,
  addExplainCommand,
  addRolloverCommand,
  addAuditCommand,
]) {
  add(program, context);
}

// A reader that has seen enough, such as head, is no failure.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = showError(error, { json, stdout, stderr });
}
