// `npm run chaos [-- --agents 20 --seconds 180 --seed N --json]`: agents and emulator while everything goes wrong.
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './setup.mjs';

checkNode();
install();
build('bench');
process.exitCode = run(process.execPath, [join(root, 'bench/dist/chaos/command.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
