// `npm run test:nodes`: tests and demo on the later Node versions that we support, each from the npm package `node`.
import { execFileSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { run } from './setup.mjs';

const versions = ['22', '24'];
let failed = 0;
for (const version of versions) {
  const node = findNode(version);
  // First in the PATH, so that whatever a test starts runs on it too.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  for (const script of ['scripts/test.mjs', 'scripts/demo.mjs']) {
    process.stdout.write(`\nNode ${version}: ${script}\n`);
    const status = run(node, [script], { stdio: 'inherit', env });
    if (status !== 0) failed += 1;
    process.stdout.write(`Node ${version}: ${script} ended with exit code ${status}\n`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;

/** Path of the program inside the package; npx itself would lend its options to every npx that the tests start. */
function findNode(version) {
  const args = ['--yes', '--package', `node@${version}`, '--', 'node', '-p', 'process.execPath'];
  return execFileSync('npx', args, { encoding: 'utf8', shell: process.platform === 'win32' }).trim();
}
