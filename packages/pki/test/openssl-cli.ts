import { it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';

/** Why OpenSSL can't be asked here; undefined: it can. */
const openSslProblem = findProblem();

function findProblem(): string | undefined {
  const { error, stdout } = spawnSync('openssl', ['version'], { encoding: 'utf8' });
  if (error) return 'the command "openssl" is not installed';
  return stdout.startsWith('OpenSSL 3') ? undefined : `OpenSSL 3 is wanted, found: ${stdout.trim()}`;
}

/** A test against OpenSSL; skipped where there is none, and then jest counts it as skipped. */
export const itWithOpenSsl: typeof it.skip = openSslProblem === undefined ? it : it.skip;

/** Says loudly in a test report what the other tests of the file are skipped for. */
export function itSaysWhetherOpenSslIsThere(): void {
  it(openSslProblem === undefined ? 'OpenSSL 3 is there' : `SKIPPED: the tests below, since ${openSslProblem}`, () => {
    if (openSslProblem !== undefined) console.warn(`Tests against OpenSSL are skipped: ${openSslProblem}.`);
  });
}

/** Output of an openssl command; throws with what it complained of. `input` goes to its standard input. */
export function openSsl(args: readonly string[], input: string | Uint8Array = ''): string {
  return execFileSync('openssl', args, { encoding: 'utf8', input, stdio: 'pipe' });
}
