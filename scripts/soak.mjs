// `npm run soak [-- --agents 20 --minutes 10 --json]`: reconnects by the ten thousand, and memory that has to stay flat.
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './setup.mjs';

checkNode();
install();
build('bench');
process.exitCode = run(process.execPath, [join(root, 'bench/dist/soak-command.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
