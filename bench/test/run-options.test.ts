import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const run = (command: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } => {
  const program = fileURLToPath(new URL(`../dist/${command}.js`, import.meta.url));
  const { NODE_OPTIONS: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe.each(['soak-command', 'chaos/command'])('a long run: %s', (command) => {
  it.each([
    [['--agent', '3'], /--agent/],
    [['--agents', 'x'], /--agents should be a number above 0, found 'x'/],
    [['--agents', '0'], /above 0, found '0'/],
    [['3'], /'3'/],
  ])('fail: is not begun with %j', (args, message) => {
    const { status, stdout, stderr } = run(command, ...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).toContain('npm run');
  });

  it('explains itself', () => {
    expect(run(command, '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Exit code'),
      stderr: '',
    });
  });
});
