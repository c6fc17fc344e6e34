import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EmulatorError } from '../errors.ts';
import { type AzureIotEmulator, startAzureIot } from '../start.ts';

interface StartFlags {
  readonly mqttPort?: number;
  readonly httpsPort?: number;
  readonly host: string;
  readonly data?: string;
  readonly folder?: string;
  readonly seed?: string;
  readonly names: 'local' | 'azure';
  readonly quotas?: true;
  readonly trace?: true;
  readonly json?: true;
}

const EXAMPLES = `
Examples:
  $ azure-iot-emulator start
  $ azure-iot-emulator start --data ./azure-data --seed ./seed.json   keeps everything, for the next start too
  $ azure-iot-emulator start --mqtt-port 0 --https-port 0 --json      free ports, for scripts
  $ azure-iot-emulator start --folder ~/.azure-iot                    keeps cloud.json at one place

The cloud file says where everything is and holds the service principal's secret. It is readable by you alone, and good
for as long as this process runs, or with --data for every start. What is refused is written to standard error, with the
reason.`;

/** Adds `start` to the program. */
export function registerStart(program: Command): void {
  program
    .command('start')
    .description('start the emulator and keep it running until Ctrl+C')
    .option(
      '--mqtt-port <port>',
      "port of the devices' names; 0 picks a free one (default: the data's, else 8883)",
      parsePort,
    )
    .option(
      '--https-port <port>',
      "port of Entra ID, Resource Manager and the service planes; 0 picks a free one (default: the data's, else 8443)",
      parsePort,
    )
    .option('--host <address>', 'address to listen on; others than loopback let other machines in', '127.0.0.1')
    .option('--data <dir>', 'where everything is kept, cloud.json too (default: in memory, until it stops)')
    .option('--seed <file>', 'JSON that says which hubs, DPS, groups and devices are to exist')
    .option(
      '--folder <dir>',
      'where cloud.json is written (default: the data folder, or a temporary one, removed at the end)',
    )
    .option('--quotas', 'let hubs keep to the quotas and throttles of their SKU and units')
    .option('--trace', 'explain each MQTT packet and HTTP request on standard error, in plain words')
    .addOption(
      new Option('--names <kind>', "host names that it says: its own under .localhost, or Azure's")
        .choices(['local', 'azure'])
        .default('local'),
    )
    .option('--json', 'print one line of JSON when ready')
    .addHelpText('after', EXAMPLES)
    .action(start);
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
  const isHomeless = flags.folder === undefined && flags.data === undefined;
  const temporary = isHomeless ? await mkdtemp(join(tmpdir(), 'azure-iot-emulator-')) : undefined;
  try {
    const emulator = await startAzureIot({
      ...(flags.mqttPort !== undefined && { mqttPort: flags.mqttPort }),
      ...(flags.httpsPort !== undefined && { httpsPort: flags.httpsPort }),
      defaultPorts: { mqtt: 8883, https: 8443 },
      host: flags.host,
      names: flags.names,
      folder: flags.folder ?? flags.data ?? temporary ?? '',
      ...(flags.data !== undefined && { dataFolder: flags.data }),
      ...(flags.seed !== undefined && { seed: flags.seed }),
      ...(flags.quotas && { quotas: 'enforced' }),
      ...(flags.trace && { trace: writeLine }),
      log: writeLine,
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

function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
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
