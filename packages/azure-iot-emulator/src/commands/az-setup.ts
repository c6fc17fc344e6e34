import { spawn } from 'node:child_process';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { EmulatorCloud } from '../cloud.ts';
import { readCloudFile, writeRootsFile } from '../cloud-file.ts';
import { EmulatorError } from '../errors.ts';
import { quoted } from './env.ts';
import { reportFailure } from './failure.ts';

interface AzSetupFlags {
  readonly cloud: string;
  readonly name: string;
  readonly print?: true;
}

const EXAMPLES = `
Examples:
  $ azure-iot-emulator az-setup --cloud ./cloud.json            registers the cloud and signs in
  $ azure-iot-emulator az-setup --cloud ./cloud.json --print    shows the commands instead

Afterwards set REQUESTS_CA_BUNDLE as it says. Back to Azure: az cloud set --name AzureCloud`;

/** Adds `az-setup` to the program. */
export function registerAzSetup(program: Command): void {
  program
    .command('az-setup')
    .description('register a running emulator with the Azure CLI, and sign in as its service principal')
    .requiredOption('--cloud <file>', 'cloud.json of the emulator')
    .option('--name <name>', 'name of the cloud in the Azure CLI', 'AzureIotEmulator')
    .option('--print', 'print the commands and run nothing')
    .addHelpText('after', EXAMPLES)
    .action((flags: AzSetupFlags) => reportFailure(() => setUp(flags)));
}

async function setUp(flags: AzSetupFlags): Promise<void> {
  const cloudFile = resolve(flags.cloud);
  const cloud = await readCloudFile(cloudFile);
  const rootsFile = await writeRootsFile(cloudFile, cloud);
  const exportLine = `export REQUESTS_CA_BUNDLE=${quoted(rootsFile)}\n`;
  if (flags.print) {
    const lines = azCommands(cloud, flags.name, '"$AZURE_CLIENT_SECRET"').map((args) => `az ${args.join(' ')}\n`);
    process.stdout.write([exportLine, ...lines].join(''));
    return;
  }
  // The Azure CLI reads an argument from a file where it begins with @: so the secret is on no command line.
  const folder = await mkdtemp(join(tmpdir(), 'azure-iot-emulator-'));
  try {
    const secretFile = join(folder, 'secret');
    await writeFile(secretFile, cloud.servicePrincipal.clientSecret, { mode: 0o600 });
    const environment = { ...process.env, REQUESTS_CA_BUNDLE: rootsFile };
    for (const args of azCommands(cloud, flags.name, `@${secretFile}`)) await az(args, environment);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.stdout.write(`The Azure CLI is signed in to the emulator. In this shell, run:\n${exportLine}`);
}

/**
 * What the Azure CLI has to be told. An authority that ends in /adfs keeps it from asking the internet whether it knows
 * that authority (MSAL's instance discovery).
 */
function azCommands(cloud: EmulatorCloud, name: string, secret: string): readonly (readonly string[])[] {
  const origin = `https://localhost:${cloud.ports.https}`;
  const { tenantId, clientId } = cloud.servicePrincipal;
  const endpoints = [
    ...['--endpoint-resource-manager', origin],
    ...['--endpoint-active-directory', `${origin}/adfs`],
    ...['--endpoint-active-directory-resource-id', cloud.resourceManagerAudience],
    ...['--endpoint-active-directory-graph-resource-id', cloud.resourceManagerAudience],
    ...['--endpoint-management', cloud.resourceManagerAudience],
  ];
  return [
    ['cloud', 'register', '--name', name, ...endpoints],
    // Registering leaves a cloud of that name as it is, so that an earlier emulator's ports would stay.
    ['cloud', 'update', '--name', name, ...endpoints],
    ['cloud', 'set', '--name', name],
    ['login', '--service-principal', '--username', clientId, '--password', secret, '--tenant', tenantId],
  ];
}

function az(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const what = `az ${args.slice(0, 2).join(' ')}`;
  return new Promise((resolved, reject) => {
    const child = spawn('az', args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const complaints: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.once('error', (cause) =>
      reject(new EmulatorError('ERR_EMULATOR_COMMAND', `Can't run '${what}': is the Azure CLI installed?`, { cause })),
    );
    child.once('close', (code) => {
      const said = Buffer.concat(complaints).toString().trim();
      if (code === 0 || /already registered/i.test(said)) resolved();
      else reject(new EmulatorError('ERR_EMULATOR_COMMAND', `'${what}' failed: ${said}`));
    });
  });
}
