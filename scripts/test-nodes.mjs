// `npm run test:nodes`: tests and demo on the later Node versions that we support, each from the npm package `node`.
import { run } from './setup.mjs';

const versions = ['22', '24'];
let failed = 0;
for (const version of versions) {
  for (const script of ['scripts/test.mjs', 'scripts/demo.mjs']) {
    process.stdout.write(`\nNode ${version}: ${script}\n`);
    const status = run('npx', ['--yes', '--package', `node@${version}`, '--', 'node', script], { stdio: 'inherit' });
    if (status !== 0) failed += 1;
    process.stdout.write(`Node ${version}: ${script} ended with exit code ${status}\n`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
