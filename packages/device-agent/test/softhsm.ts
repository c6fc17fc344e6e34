import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from '@jest/globals';

const modulePath = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm.so'].find((path) =>
  existsSync(path),
);

/** Why no token can be used here; undefined: one can. */
export const tokenProblem = findProblem();

function findProblem(): string | undefined {
  if (modulePath === undefined || spawnSync('softhsm2-util', ['--version']).error) {
    return 'SoftHSM 2 (Debian: softhsm2) is not installed';
  }
  if (spawnSync('pkcs11-tool', ['--version']).error) return 'pkcs11-tool (Debian: opensc) is not installed';
  const folders = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'];
  if (folders.some((folder) => existsSync(`${folder}/engines-3/pkcs11.so`))) return undefined;
  return "libp11's engine (Debian: libengine-pkcs11-openssl) is not installed";
}

/** A test on a key in a token; skipped where there is none, and then jest counts it as skipped. */
export const itWithToken: typeof it.skip = tokenProblem === undefined ? it : it.skip;

/** Says in a test report what the other tests of the file are skipped for. */
export function itSaysWhetherTokensWork(): void {
  it(tokenProblem === undefined ? 'SoftHSM 2 and the engine are there' : `SKIPPED: ${tokenProblem}`, () => {
    if (tokenProblem !== undefined) console.warn(`Tests on a PKCS#11 token are skipped: ${tokenProblem}.`);
  });
}

export interface TestToken {
  readonly modulePath: string;
  readonly folder: string;
  readonly pin: string;
  /** Environment in which the token is found. */
  readonly env: Record<string, string>;
  /** RFC 7512 of the key with that label. */
  uri(label: string): string;
  /** @param privateKeyPem - PKCS #8 */
  importKey(label: string, privateKeyPem: string): Promise<void>;
  remove(): Promise<void>;
}

/** A new token in a folder of its own. */
export async function createToken(): Promise<TestToken> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-token-'));
  const [tokens, configuration] = [join(folder, 'tokens'), join(folder, 'softhsm2.conf')];
  await mkdir(tokens);
  await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const env = { PATH: process.env['PATH'] ?? '', SOFTHSM2_CONF: configuration };
  const pin = '73-Sesame-4711';
  const run = (...options: string[]): void =>
    void execFileSync('softhsm2-util', [...options, '--pin', pin], { env, stdio: 'pipe' });
  run('--init-token', '--free', '--label', 'Device', '--so-pin', 'so-4711-Sesame');
  let keys = 0;
  return {
    modulePath: modulePath ?? '',
    folder,
    pin,
    env,
    uri: (label) => `pkcs11:token=Device;object=${label};type=private`,
    importKey: async (label, privateKeyPem) => {
      const file = join(folder, 'import.pem');
      await writeFile(file, privateKeyPem);
      run('--import', file, '--token', 'Device', '--label', label, '--id', String((keys += 1)).padStart(2, '0'));
      await rm(file);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
