// `npm run demo`: installs, builds, and tells the whole story on the emulator.
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './setup.mjs';

checkNode();
install();
build('examples/best-practice-x509');
const command = join(root, 'examples/best-practice-x509/bin/best-practice-x509.js');
process.exitCode = run(process.execPath, [command, 'demo', ...process.argv.slice(2)], {
  stdio: 'inherit',
  cwd: process.cwd(),
});
