import { Command } from 'commander';
import { registerAzSetup } from './commands/az-setup.ts';
import { registerClock } from './commands/clock.ts';
import { registerEnv } from './commands/env.ts';
import { registerExec } from './commands/exec.ts';
import { registerFault } from './commands/fault.ts';
import { registerHosts } from './commands/hosts.ts';
import { registerReset } from './commands/reset.ts';
import { registerSnapshot } from './commands/snapshot.ts';
import { registerStart } from './commands/start.ts';

/**
 * Runs the command line; resolves when the command is over. Sets `process.exitCode` to 1 after a failure.
 *
 * @param argv - like `process.argv`
 */
export async function runCommand(argv: readonly string[]): Promise<void> {
  const program = new Command('azure-iot-emulator').description(
    'Azure IoT Hub, its Device Provisioning Service, Resource Manager and Entra ID on this machine.',
  );
  registerStart(program);
  registerSnapshot(program);
  registerReset(program);
  registerClock(program);
  registerFault(program);
  registerExec(program);
  registerHosts(program);
  registerEnv(program);
  registerAzSetup(program);
  await program.parseAsync([...argv]);
}
