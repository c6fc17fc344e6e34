import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'libsql';
import { codeOf, reasonOf } from '../network/connection-error.ts';
import type { Assignment } from '../protocol/provision.ts';
import { takeFolderLock } from '../state/folder-lock.ts';
import { schemaVersion } from '../state/schema.ts';
import { found, type Check, type Examination } from './examination.ts';
import { failed, ok, skipped, warning, type Outcome } from './outcome.ts';

const mebibyte = 1_048_576;

/** Below the first, in bytes, the outbox is about to stop taking messages; below the second somebody should look. */
const [scarce, low] = [16 * mebibyte, 128 * mebibyte];

/** With the oldest message waiting for longer than this, in milliseconds (a day), deliveries have stopped. */
const staleMs = 86_400_000;

/** What the agent keeps. Nothing is written to the database. */
export const stateChecks: readonly Check[] = [
  { name: 'state-folder', title: 'State folder can be written', run: ({ options }) => writable(options.stateFolder) },
  {
    name: 'disk-space',
    title: 'Disk has room',
    needs: ['state-folder'],
    run: async ({ options, machine }) => room(await machine.freeSpace(existing(options.stateFolder))),
  },
  {
    name: 'agent-running',
    title: 'Whether an agent runs on the state folder',
    needs: ['state-folder'],
    run: ({ options, findings }) => {
      findings.isAgentRunning = isHeld(options.stateFolder);
      return ok(findings.isAgentRunning ? 'one does: its hub connection is left alone' : 'none does');
    },
  },
  { name: 'state-database', title: 'State database is sound', needs: ['state-folder'], run: integrity },
  { name: 'outbox', title: 'Outbox is delivered', needs: ['state-database', 'identity-key'], run: backlog },
  { name: 'assignment', title: 'Assignment is kept', needs: ['state-database', 'identity-key'], run: keptAssignment },
];

/** The folder, or where it would be made. */
function existing(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existing(dirname(folder));
}

async function writable(folder: string): Promise<Outcome> {
  const place = existing(folder);
  const file = join(place, `.diagnosis-${randomUUID()}`);
  const fix =
    'Check owner and mode of the folder, that its file system is not mounted read-only, and that it has room.';
  try {
    if (!(await stat(place)).isDirectory())
      return failed(`${place} is not a folder`, 'Name another folder, or move that file.');
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile('x');
      await handle.sync();
    } finally {
      await handle.close();
      await rm(file, { force: true });
    }
  } catch (error) {
    return failed(`${place}: ${reasonOf(error)}`, fix);
  }
  return ok(place === folder ? folder : `${folder} will be made in ${place}`);
}

function room({ bytes, files }: { readonly bytes: number; readonly files: number }): Outcome {
  const detail = `${Math.floor(bytes / mebibyte)} MiB free`;
  const fix = 'Free space on this file system: look for logs without rotation, and at the bounds of the outbox.';
  if (files === 0) return failed('no file can be made: the inodes are used up', fix);
  if (bytes < scarce) return failed(detail, fix);
  return bytes < low ? warning(detail, fix) : ok(detail);
}

/** @throws what isn't about another holder */
function isHeld(folder: string): boolean {
  if (!existsSync(join(folder, 'agent.lock'))) return false;
  try {
    takeFolderLock(folder).release();
    return false;
  } catch (error) {
    if (codeOf(error) === 'ERR_AGENT_STATE' && codeOf((error as { cause?: unknown }).cause)?.includes('BUSY'))
      return true;
    throw error;
  }
}

/** Reads what an agent may be writing at this moment; undefined where there is no database yet. */
function read<T>(folder: string, work: (database: Database.Database) => T): T | undefined {
  const file = join(folder, 'agent.db');
  if (!existsSync(file)) return undefined;
  const database = new Database(file, { readonly: true });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const notYet = 'there is none yet; the agent makes it at its first start';

function integrity({ options: { stateFolder } }: Examination): Outcome {
  const fix =
    'Check the disk, move the agent.db files elsewhere and start again: the device then asks DPS anew, and what was waiting stays in the moved files.';
  try {
    return (
      read(stateFolder, (database) => {
        const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
        const problems = (database.prepare('PRAGMA quick_check(3)').all() as { quick_check: string }[]).map(
          (row) => row.quick_check,
        );
        if (problems.join() !== 'ok') return failed(problems.join('; '), fix);
        if (version === schemaVersion) return ok(join(stateFolder, 'agent.db'));
        return failed(
          `schema version ${version}, and this package knows ${schemaVersion}`,
          'Install the version that wrote it.',
        );
      }) ?? ok(notYet)
    );
  } catch (error) {
    return failed(reasonOf(error), fix);
  }
}

interface Backlog {
  readonly count: number;
  readonly bytes: number | null;
  readonly oldest: number | null;
}

function backlog({ options, findings, clock }: Examination): Outcome {
  const { registrationId } = found(findings.identity, 'the identity');
  const query = `SELECT count(*) AS count, sum(size) AS bytes, min(added_ms) AS oldest
    FROM outbox WHERE device = (SELECT id FROM device WHERE registration_id = ?)`;
  const waiting = read(options.stateFolder, (database) => database.prepare(query).get(registrationId) as Backlog);
  if (!waiting || waiting.count === 0) return ok('nothing waits');
  const { count, bytes, oldest } = waiting;
  const ageMs = clock.now().getTime() - (oldest ?? 0);
  const detail = `${count} messages wait, ${bytes ?? 0} bytes; the oldest for ${Math.max(0, Math.round(ageMs / 1000))} s`;
  if (ageMs < staleMs) return ok(detail);
  return warning(
    detail,
    'They go out with the next connection: see below why there is none, or look for what sends more than the hub takes.',
  );
}

function keptAssignment({ options, findings }: Examination): Outcome {
  if (!('idScope' in options.connectTo)) return skipped('the hub is configured');
  const { registrationId } = found(findings.identity, 'the identity');
  const query = `SELECT value FROM fact WHERE name = 'assignment'
    AND device = (SELECT id FROM device WHERE registration_id = ?)`;
  const row = read(options.stateFolder, (database) => database.prepare(query).get(registrationId)) as
    { value: string } | undefined;
  if (!row) return ok('none yet: the agent asks DPS at its next start');
  const kept = JSON.parse(row.value) as Assignment & { readonly idScope?: string };
  if (kept.idScope !== options.connectTo.idScope) {
    return warning(
      `kept from ${kept.idScope ?? 'an unknown DPS'}, and ${options.connectTo.idScope} is configured`,
      'The agent asks the configured DPS at its next start; check that the ID scope is the right one.',
    );
  }
  findings.keptAssignment = kept;
  findings.hub = { hostName: kept.assignedHub, deviceId: kept.deviceId };
  return ok(`${kept.deviceId} at ${kept.assignedHub}`);
}
