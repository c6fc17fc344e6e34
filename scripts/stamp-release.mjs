// Around the packing of a package, in its folder: writes into dist/released-at.js when that was, and with `--undo` takes it out.
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'dist/released-at.js';
const value = process.argv.includes('--undo') ? 'undefined' : `'${new Date().toISOString()}'`;
const assignment = /(releasedAt = )(undefined|'[^']*')/;
const built = readFileSync(file, 'utf8');
if (!assignment.test(built)) throw new Error(`${file} has no releasedAt to write into: build the package first.`);
writeFileSync(file, built.replace(assignment, `$1${value}`));
