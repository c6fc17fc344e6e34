import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, reasonOf } from '../network/connection-error.ts';
import { takeFolderLock } from '../state/folder-lock.ts';
import { schemaVersion } from '../state/schema.ts';
import { damagedAdvice } from '../state/state-error.ts';
import { examineDatabase, summarizeState, type StateSummary } from '../state/state-summary.ts';
import { found, type Check, type Examination } from './examination.ts';
import { failed, ok, skipped, warning, type Outcome } from './outcome.ts';

const mebibyte = 1_048_576;

/** Below the first, in bytes, the outbox is about to stop taking messages; below the second somebody should look. */
const [scarce, low] = [16 * mebibyte, 128 * mebibyte];

/** With the oldest message waiting for longer than this (a day), deliveries have stopped. */
const staleSeconds = 86_400;

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

function integrity({ options: { stateFolder } }: Examination): Outcome {
  try {
    const examined = examineDatabase(stateFolder);
    if (!examined) return ok('there is none yet; the agent makes it at its first start');
    const { file, version, problems } = examined;
    if (problems.length > 0) return failed(problems.join('; '), damagedAdvice);
    if (version === schemaVersion) return ok(file);
    return failed(
      `schema version ${version}, and this package knows ${schemaVersion}`,
      'Install the version that wrote it.',
    );
  } catch (error) {
    return failed(reasonOf(error), damagedAdvice);
  }
}

function summary({ options, findings, clock }: Examination): StateSummary | undefined {
  const { registrationId } = found(findings.identity, 'the identity');
  return summarizeState(options.stateFolder, registrationId, clock.now());
}

function backlog(examination: Examination): Outcome {
  const { messages = 0, bytes = 0, oldestAgeSeconds = 0 } = summary(examination)?.outbox ?? {};
  if (messages === 0) return ok('nothing waits');
  const detail = `${messages} messages wait, ${bytes} bytes; the oldest for ${oldestAgeSeconds} s`;
  if (oldestAgeSeconds < staleSeconds) return ok(detail);
  return warning(
    detail,
    'They go out with the next connection: see below why there is none, or look for what sends more than the hub takes.',
  );
}

function keptAssignment(examination: Examination): Outcome {
  const { options, findings } = examination;
  if (!('idScope' in options.connectTo)) return skipped('the hub is configured');
  const { idScope } = options.connectTo;
  const kept = summary(examination)?.assignment;
  if (!kept) return ok('none yet: the agent asks DPS at its next start');
  if (kept.configuredIdScope !== idScope) {
    return warning(
      `kept from the time when ${kept.configuredIdScope} was configured, and ${idScope} is now`,
      'The agent asks the configured DPS at its next start; check that the ID scope is the right one.',
    );
  }
  findings.keptAssignment = kept;
  findings.hub = { hostName: kept.assignedHub, deviceId: kept.deviceId };
  const moved = kept.idScope === idScope ? '' : `, by ${kept.idScope}, where an operator moved it`;
  return ok(`${kept.deviceId} at ${kept.assignedHub}${moved}`);
}
