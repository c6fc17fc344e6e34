import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

it('ok: emulatorForTests works in vitest as it does in jest', async () => {
  const root = fileURLToPath(new URL('vitest', import.meta.url));
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const program = join(dirname(manifest), 'vitest.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'run', '--root', root, '--reporter=json'], {
    env: { PATH: process.env['PATH'], NO_COLOR: '1' },
  });
  expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({ numPassedTests: 3, numFailedTests: 0 });
}, 60_000);
