// `npm test`: installs, builds, lints, runs every test, and ends with the counts. Arguments go to jest.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkNode, install, root, run } from './setup.mjs';

const modules = join(root, 'node_modules');
const node = process.execPath;

checkNode();
install();
compilePkcs11();

const checks = [
  ['build and types', node, [join(modules, 'typescript/bin/tsc'), '-b']],
  ['lint', node, [join(modules, 'eslint/bin/eslint.js'), '.', '--max-warnings', '0']],
  ['format', node, [join(modules, 'prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.']],
];
let failedChecks = 0;
for (const [name, program, args] of checks) {
  const started = Date.now();
  const status = run(program, args);
  process.stderr.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
  if (status !== 0) failedChecks += 1;
}

const counts = runJest(process.argv.slice(2));
for (const name of counts.skipped) process.stdout.write(`Skipped: ${name}\n`);
const skipped = counts.skipped.length > 0 ? `, ${counts.skipped.length} skipped` : '';
// A check that fails is a failure like any other.
process.stdout.write(`\nTests: ${counts.passed} passed, ${counts.failed + failedChecks} failed${skipped}\n`);
process.exitCode = counts.failed + failedChecks > 0 || counts.passed === 0 ? 1 : 0;

/** The PKCS#11 binding comes as source; where it can't be compiled, its tests are skipped and counted. */
function compilePkcs11() {
  const folder = join(modules, 'pkcs11js');
  if (!existsSync(folder) || existsSync(join(folder, 'build/Release/pkcs11.node'))) return;
  const status = run('npm', ['run', 'build', '--silent'], { cwd: folder, stdio: 'ignore' });
  process.stderr.write(
    status === 0 ? 'pkcs11js compiled\n' : 'pkcs11js can not be compiled here: its tests are skipped\n',
  );
}

function runJest(args) {
  const folder = mkdtempSync(join(tmpdir(), 'contoso-test-'));
  try {
    const file = join(folder, 'results.json');
    const options = `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`;
    const status = run(node, [join(modules, 'jest/bin/jest.js'), '--json', `--outputFile=${file}`, ...args], {
      env: { ...process.env, NODE_OPTIONS: options.trim() },
      stdio: ['ignore', 'ignore', 2],
      // Something that keeps the process alive is a failure, and must not keep everybody waiting.
      timeout: 18 * 60_000,
    });
    return count(JSON.parse(readFileSync(file, 'utf8')), status);
  } catch (error) {
    process.stderr.write(`jest gave no results: ${error.message}\n`);
    return { passed: 0, failed: 1, skipped: [] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(results, status) {
  const all = results.testResults.flatMap((suite) => suite.assertionResults);
  const brokenSuites = results.numRuntimeErrorTestSuites;
  const failed = results.numFailedTests + brokenSuites;
  return {
    passed: results.numPassedTests,
    // Something that jest counts nowhere, such as an open handle that ended the run.
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: all
      .filter(({ status: outcome }) => outcome === 'pending' || outcome === 'todo')
      .map(({ fullName }) => fullName),
  };
}
