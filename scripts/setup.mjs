// Installs and builds, each only where something has changed. All output goes to stderr, so that a command's own stays clean.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const marker = join(root, 'node_modules', '.installed-from');

/** Runs a program and gives its exit code; its output goes to stderr. */
export function run(program, args, options = {}) {
  // On Windows npx and npm are scripts, which only a shell starts.
  const shell = process.platform === 'win32' && ['npx', 'npm'].includes(program);
  const result = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2], shell, ...options });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function mustRun(what, program, args) {
  const started = Date.now();
  process.stderr.write(`${what} ...\n`);
  const status = run(program, args);
  if (status !== 0) {
    process.stderr.write(`\n${what} failed (exit code ${status}). What it said stands above.\n`);
    process.exit(status);
  }
  process.stderr.write(`${what} done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

/** What an install depends on. */
function installHash() {
  const hash = createHash('sha256');
  const manifests = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name, 'package.json')),
  );
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'bench/package.json', ...manifests]) {
    if (existsSync(join(root, file))) hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

export function install() {
  const hash = installHash();
  if (existsSync(marker) && readFileSync(marker, 'utf8') === hash) return;
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mustRun(`Installing with ${packageManager}`, 'npx', ['--yes', packageManager, 'install', '--frozen-lockfile']);
  writeFileSync(marker, hash);
}

/** @param projects - folders with a tsconfig.json; none for all */
export function build(...projects) {
  mustRun('Building', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', ...projects]);
}

export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`Node ${process.versions.node} is too old: 20.19 or later is needed.\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  checkNode();
  install();
  build();
}
