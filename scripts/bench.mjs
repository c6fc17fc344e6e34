// `npm run bench [-- name] [--json]`: what we measure, each against something that a user would pick instead.
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './setup.mjs';

checkNode();
install();
build('bench');
process.exitCode = run(process.execPath, [join(root, 'bench/dist/command.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
