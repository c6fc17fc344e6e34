import { it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { inTemporaryFolder } from './fixtures.ts';

/** Where Debian and its relatives put it. */
const modulePath = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm.so'].find((path) =>
  existsSync(path),
);

/** Why SoftHSM can't be used here; undefined: it can. */
export const softHsmProblem = await findProblem();

async function findProblem(): Promise<string | undefined> {
  if (modulePath === undefined || spawnSync('softhsm2-util', ['--version']).error) {
    return 'SoftHSM 2 (Debian: softhsm2) is not installed';
  }
  return import('pkcs11js').then(
    () => undefined,
    () => 'the package pkcs11js was not built',
  );
}

/** A test on a token of SoftHSM; skipped where there is none, and then jest counts it as skipped. */
export const itWithSoftHsm: typeof it.skip = softHsmProblem === undefined ? it : it.skip;

/** A test that also looks at the token with another tool (Debian: opensc). */
export const itWithPkcs11Tool: typeof it.skip =
  softHsmProblem === undefined && !spawnSync('pkcs11-tool', ['--version']).error ? it : it.skip;

/** Says in a test report what the other tests of the file are skipped for. */
export function itSaysWhetherSoftHsmIsThere(): void {
  it(softHsmProblem === undefined ? 'SoftHSM 2 is there' : `SKIPPED: tests on a token, since ${softHsmProblem}`, () => {
    if (softHsmProblem !== undefined) console.warn(`Tests on a PKCS#11 token are skipped: ${softHsmProblem}.`);
  });
}

export interface TestToken {
  modulePath: string;
  tokenLabel: string;
  pin: string;
  /** Environment in which other tools find the token. */
  env: Record<string, string>;
}

/** Runs with a new token in a folder of its own. */
export async function withToken(run: (token: TestToken) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const [tokens, configuration] = [join(folder, 'tokens'), join(folder, 'softhsm2.conf')];
    await mkdir(tokens);
    await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
    const env = { PATH: process.env.PATH ?? '', SOFTHSM2_CONF: configuration };
    const [tokenLabel, pin] = ['Factory', '73-Sesame-4711'];
    const options = ['--init-token', '--free', '--label', tokenLabel, '--pin', pin, '--so-pin', 'so-4711-Sesame'];
    execFileSync('softhsm2-util', options, { env, stdio: 'pipe' });
    await setProcessVariable('SOFTHSM2_CONF', configuration);
    await run({ modulePath: modulePath ?? '', tokenLabel, pin, env });
  });
}

/** The process's own environment, which the module reads: jest gives a test a copy, and a thread can share the real one. */
async function setProcessVariable(name: string, value: string): Promise<void> {
  const code = `process.env[${JSON.stringify(name)}] = ${JSON.stringify(value)}`;
  await once(new Worker(code, { eval: true, env: SHARE_ENV }), 'exit');
}
