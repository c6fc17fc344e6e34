import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** A PostgreSQL server of one test file: in a temporary folder, on a socket in it, gone afterwards. */
export interface PostgresServer {
  /** Makes an empty database. */
  createDatabase(): Promise<string>;
  stop(): void;
}

const programs = findPrograms();
const owner = findOwner();

/** Why there is none here; undefined: there is. */
export const postgresProblem =
  programs === undefined
    ? 'PostgreSQL is not installed'
    : owner === undefined
      ? 'PostgreSQL refuses to run as root, and there is no user "postgres"'
      : undefined;

export function startPostgres(): PostgresServer {
  const folder = mkdtempSync(join(tmpdir(), 'pki-postgres-'));
  if (owner && userInfo().uid === 0) chownSync(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  run('initdb', ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-instructions']);
  run('pg_ctl', ['-D', data, '-w', '-l', join(folder, 'log'), '-o', `-k ${folder} -c listen_addresses=`, 'start']);
  const connect = (name: string): string => `postgres://postgres@localhost/${name}?host=${encodeURIComponent(folder)}`;
  let count = 0;
  return {
    async createDatabase() {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: connect('postgres') });
      await client.connect();
      const name = `inventory_${(count += 1)}`;
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return connect(name);
    },
    stop() {
      run('pg_ctl', ['-D', data, '-m', 'immediate', '-w', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function run(program: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(join(programs ?? '', program), args, {
    ...(userInfo().uid === 0 ? owner : {}),
    cwd: tmpdir(),
    encoding: 'utf8',
    // The server inherits what pg_ctl has; a pipe would stay open as long as it runs.
    stdio: program === 'pg_ctl' ? 'ignore' : 'pipe',
  });
  if (error || status !== 0) throw new Error(`${program} failed: ${error?.message ?? stderr}`);
}

/** Debian keeps each version's programs in a folder of its own. */
function findPrograms(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'pg_ctl')));
}

function findOwner(): { uid: number; gid: number } | undefined {
  const { uid, gid } = userInfo();
  if (uid !== 0) return { uid, gid };
  const ask = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout || NaN);
  const found = { uid: ask('-u'), gid: ask('-g') };
  return Number.isNaN(found.uid) ? undefined : found;
}
