// `npm run fuzz [-- --cases N --seed S --only CASE | --record]`: mutated sessions of real clients against the emulator.
import { join } from 'node:path';
import { build, checkNode, install, root, run } from './setup.mjs';

checkNode();
install();
build('packages/azure-iot-emulator');
const folder = join(root, 'packages/azure-iot-emulator/test/fuzz');
const args = process.argv.slice(2);
const script = args.includes('--record') ? ['record.mjs'] : ['run.mjs', ...args];
process.exitCode = run(process.execPath, [join(folder, script[0]), ...script.slice(1)], { stdio: 'inherit' });
