import { Command } from 'commander';
import { addCleanupCommand } from './commands/cleanup.ts';
import { createCommandContext } from './commands/context.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDeviceCommand } from './commands/device.ts';
import { addProvisionCommand } from './commands/provision.ts';
import { addSetupCommand } from './commands/setup.ts';
import { showError } from './exit-code.ts';
import { createJsonReporter, createTextReporter } from './reporter.ts';

const json = process.argv.includes('--json');
const context = createCommandContext(json ? createJsonReporter(process.stdout) : createTextReporter(process.stdout));

const program = new Command('best-practice-x509')
  .description("Microsoft's best-practice X.509 sample for Azure IoT, step by step, on Azure or on the emulator.")
  .exitOverride()
  .showHelpAfterError('(--help shows all options)')
  .addHelpText(
    'after',
    `
Start with the emulator in another terminal, then the same commands with --cloud public:
  $ best-practice-x509 demo
  $ azure-iot-emulator start --folder emulator
  $ best-practice-x509 setup --cloud emulator/cloud.json --dps-resource-group contoso --dps-name contoso-dps \\
      --iot-hub-name contoso-hub --location westeurope --create --cert-folder-path certs --device-id thermostat-1

Exit codes: 0 done, 1 failed, 2 called in the wrong way.`,
  );
addSetupCommand(program, context);
addProvisionCommand(program, context);
addDeviceCommand(program, context);
addCleanupCommand(program, context);
addDemoCommand(program, context);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = showError(error, { json, stdout: process.stdout, stderr: process.stderr });
}
