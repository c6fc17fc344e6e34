import { it } from '@jest/globals';
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';

/** Another implementation, run as a command. */
export interface InteropTool {
  /** A test against it; skipped, and counted as skipped, where it isn't installed. */
  itWith: typeof it.skip;
  /** A test whose name says whether it is there, and what the others are skipped for. */
  itSaysWhetherItIsThere: () => void;
  /** What a command says; throws unless it ends well. */
  run: (command: string, args: readonly string[], options?: { cwd?: string; input?: string }) => string;
  /** What a command says on both channels, however it ends. */
  attempt: (command: string, args: readonly string[], options?: { cwd?: string }) => { isGood: boolean; text: string };
}

/**
 * @param tool.commands - all of them are needed
 * @param tool.debianPackage - where they come from
 */
export function interopTool(tool: { name: string; commands: readonly string[]; debianPackage: string }): InteropTool {
  const { name, commands, debianPackage } = tool;
  const missing = commands.filter((command) => spawnSync(command, ['--help'], { stdio: 'ignore' }).error);
  const problem = missing.length === 0 ? undefined : `${missing.join(', ')} not installed (Debian: ${debianPackage})`;
  return {
    itWith: problem === undefined ? it : it.skip,
    itSaysWhetherItIsThere: () => {
      it(problem === undefined ? `${name} is there` : `SKIPPED: the tests against ${name}: ${problem}`, () => {
        if (problem !== undefined) console.warn(`Tests against ${name} are skipped: ${problem}.`);
      });
    },
    run: (command, args, options) => {
      const { status, stdout, stderr } = call(command, args, options);
      if (status !== 0)
        throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}: ${stdout}${stderr}`);
      return stdout;
    },
    attempt: (command, args, options) => {
      const { status, stdout, stderr } = call(command, args, options);
      return { isGood: status === 0, text: stdout + stderr };
    },
  };
}

function call(
  command: string,
  args: readonly string[],
  options: { cwd?: string; input?: string } = {},
): SpawnSyncReturns<string> {
  return spawnSync(command, args, { encoding: 'utf8', input: '', ...options, env: { ...process.env, LC_ALL: 'C' } });
}
