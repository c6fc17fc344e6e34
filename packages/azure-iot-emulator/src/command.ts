import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { EmulatorError } from './errors.ts';
import { type AzureIotEmulator, startAzureIot } from './start.ts';

interface StartFlags {
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly folder?: string;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ azure-iot-emulator start
  $ azure-iot-emulator start --mqtt-port 0 --https-port 0 --json      free ports, for scripts
  $ azure-iot-emulator start --folder ~/.azure-iot                    keeps cloud.json at one place

The cloud file says where everything is and holds the service principal's secret. It is readable by you alone, and
good for as long as this process runs. What is refused is written to standard error, with the reason.`;

/**
 * Runs the command line; resolves when the command is over. Sets `process.exitCode` to 1 after a failure.
 *
 * @param argv - like `process.argv`
 */
export async function runCommand(argv: readonly string[]): Promise<void> {
  const program = new Command('azure-iot-emulator').description(
    'Azure IoT Hub, its Device Provisioning Service, Resource Manager and Entra ID on this machine.',
  );
  program
    .command('start')
    .description('start the emulator and keep it running until Ctrl+C')
    .option('--mqtt-port <port>', "port of the devices' names; 0 picks a free one", parsePort, 8883)
    .option(
      '--https-port <port>',
      'port of Entra ID, Resource Manager and the service planes; 0 picks a free one',
      parsePort,
      8443,
    )
    .option('--folder <dir>', 'where cloud.json is written (default: a temporary folder, removed at the end)')
    .option('--json', 'print one line of JSON when ready')
    .addHelpText('after', EXAMPLES)
    .action(start);
  await program.parseAsync([...argv]);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a number from 0 to 65535.');
}

async function start(flags: StartFlags): Promise<void> {
  // Both from the beginning: a stop that comes while the emulator starts must not be lost.
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  const temporary = flags.folder === undefined ? await mkdtemp(join(tmpdir(), 'azure-iot-emulator-')) : undefined;
  try {
    const emulator = await startAzureIot({
      mqttPort: flags.mqttPort,
      httpsPort: flags.httpsPort,
      folder: flags.folder ?? temporary ?? '',
      log: (line) => process.stderr.write(`${line}\n`),
    });
    process.stdout.write(flags.json ? jsonLine(emulator) : readyText(emulator));
    await stopped;
    await emulator.close();
  } catch (error) {
    if (!(error instanceof EmulatorError)) throw error;
    process.stderr.write(`${paint(31, 'error:', process.stderr)} ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  }
}

function jsonLine({ cloudFile, mqttPort, httpsPort }: AzureIotEmulator): string {
  return `${JSON.stringify({ ready: true, cloudFile, mqttPort, httpsPort })}\n`;
}

function readyText({ cloud, cloudFile, mqttPort, httpsPort }: AzureIotEmulator): string {
  return [
    `Cloud file:  ${cloudFile ?? ''}`,
    `Devices:     ${cloud.provisioningDeviceEndpoint} (MQTT, and MQTT over WebSocket, on port ${mqttPort})`,
    `Management:  ${cloud.resourceManagerEndpoint} (Entra ID, Resource Manager and service planes on port ${httpsPort})`,
    `${paint(32, 'Ready.', process.stdout)} Stop with Ctrl+C.`,
    '',
  ].join('\n');
}

/** Colour on a terminal alone, and not where NO_COLOR asks for none. */
function paint(colour: number, text: string, stream: NodeJS.WriteStream): string {
  return stream.isTTY && !process.env['NO_COLOR'] ? `\u001b[${colour}m${text}\u001b[0m` : text;
}
