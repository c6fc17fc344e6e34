// Loaded into a process before all else (`node --import`). It ends that with kill -9, just before the file operation that
// KILL_AT names: `link:2` is the second link.
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';

const [operation, call] = process.env.KILL_AT.split(':');
const real = files[operation];
let count = 0;
files[operation] = (...args) => {
  count += 1;
  if (count === Number(call)) process.kill(process.pid, 'SIGKILL');
  return real(...args);
};
syncBuiltinESMExports();
