import { spawn } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { readCloudFile, writeRootsFile } from '../cloud-file.ts';
import { EmulatorError } from '../errors.ts';
import { redirectedEnvironment } from '../redirect/environment.ts';
import { type AzureIotEmulator, startAzureIot } from '../start.ts';
import { reportFailure } from './failure.ts';

interface ExecFlags {
  readonly cloud?: string;
  readonly seed?: string;
  readonly data?: string;
  readonly quiet?: true;
}

const EXAMPLES = `
Examples:
  $ azure-iot-emulator exec -- node app.js                       an emulator of its own, gone when app.js ends
  $ azure-iot-emulator exec --seed ./fleet.json -- node app.js   with hubs, DPS and devices that a seed declares
  $ azure-iot-emulator exec --cloud ./cloud.json -- npm test     one that runs already

Node programs under it find the emulator at Azure's own host names and ports, with their code as it is. The variables
AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_SUBSCRIPTION_ID are the emulator's, so that
DefaultAzureCredential signs in there. Nothing outside of this process tree changes. The exit code is the program's.`;

/** Adds `exec` to the program. */
export function registerExec(program: Command): void {
  program
    .command('exec')
    .description('run a Node program that was written for Azure against the emulator')
    .argument('<command...>', 'the program and its arguments, after --')
    .option('--cloud <file>', 'cloud.json of a running emulator (default: starts one, with the names of Azure)')
    .addOption(new Option('--seed <file>', 'seed of the emulator that is started').conflicts('cloud'))
    .addOption(new Option('--data <dir>', 'data folder of the emulator that is started').conflicts('cloud'))
    .option('--quiet', "don't write what the emulator refuses to standard error")
    .addHelpText('after', EXAMPLES)
    .action((command: readonly string[], flags: ExecFlags) => reportFailure(() => exec(command, flags)));
}

async function exec(command: readonly string[], flags: ExecFlags): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'azure-iot-emulator-'));
  let emulator: AzureIotEmulator | undefined;
  try {
    emulator = flags.cloud === undefined ? await startOwn(folder, flags) : undefined;
    const cloudFile = resolve(flags.cloud ?? emulator?.cloudFile ?? '');
    const cloud = emulator?.cloud ?? (await readCloudFile(cloudFile));
    const rootsFile = await writeRootsFile(join(folder, 'cloud.json'), cloud);
    await keepExtraRoots(rootsFile, process.env['NODE_EXTRA_CA_CERTS']);
    const environment = redirectedEnvironment({ cloud, cloudFile, rootsFile, base: process.env });
    process.exitCode = await run(command, { ...process.env, ...environment });
  } finally {
    await emulator?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function startOwn(folder: string, { seed, data, quiet }: ExecFlags): Promise<AzureIotEmulator> {
  return startAzureIot({
    folder,
    names: 'azure',
    ...(seed !== undefined && { seed }),
    ...(data !== undefined && { dataFolder: data }),
    ...(!quiet && { log: (line: string) => process.stderr.write(`azure-iot-emulator: ${line}\n`) }),
  });
}

/** Roots that the caller trusts in addition stay trusted. */
async function keepExtraRoots(rootsFile: string, extra: string | undefined): Promise<void> {
  if (!extra) return;
  // Node itself passes over a file that isn't there.
  const text = await readFile(extra, 'utf8').catch(() => '');
  await appendFile(rootsFile, `\n${text}`);
}

/** The exit code of the program, or 128 and the number of the signal that ended it, as shells count. */
function run([file = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolved, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', env });
    // A terminal sends Ctrl+C to the child too; all that is left to do here is to stay until it has ended.
    const stay = (): void => undefined;
    const passOn = (): void => {
      child.kill('SIGTERM');
    };
    process.on('SIGINT', stay);
    process.on('SIGTERM', passOn);
    child.once('error', (cause) =>
      reject(new EmulatorError('ERR_EMULATOR_COMMAND', `Can't run '${file}': ${cause.message}.`, { cause })),
    );
    child.once('exit', (code, signal) => {
      process.off('SIGINT', stay);
      process.off('SIGTERM', passOn);
      resolved(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
