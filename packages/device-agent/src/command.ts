import { Command } from 'commander';
import type { CommandContext } from './commands/context.ts';
import { showError } from './commands/exit-code.ts';
import { createOutput } from './commands/output.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addProvisionCommand } from './commands/provision.ts';
import { addRunCommand } from './commands/run.ts';
import { addStatusCommand } from './commands/status.ts';
import { addSupportBundleCommand } from './commands/support-bundle.ts';
import { addSystemdUnitCommand } from './commands/systemd-unit.ts';
import { packageVersion } from './service/version.ts';

const { stdout, stderr } = process;
const output = createOutput({ json: process.argv.includes('--json'), stdout, stderr });
const context: CommandContext = { output, stdout };

const program = new Command('contoso-device')
  .description('One device in Azure IoT Hub, as a service: it loses nothing and always comes back.')
  .version(packageVersion())
  .exitOverride()
  .showHelpAfterError('(--help shows all options)')
  .addHelpText(
    'after',
    `
  $ contoso-device run --config /etc/contoso-device/config.json
  $ contoso-device doctor --config /etc/contoso-device/config.json
  $ contoso-device status --config /etc/contoso-device/config.json

Exit codes: 0 done, 1 failed (the error says what to do), 2 called or configured in the wrong way (nothing was done).`,
  );
for (const add of [
  addRunCommand,
  addStatusCommand,
  addDoctorCommand,
  addSupportBundleCommand,
  addProvisionCommand,
  addSystemdUnitCommand,
]) {
  add(program, context);
}

// A reader that has seen enough, such as head, is no failure.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = showError(error, output);
}
