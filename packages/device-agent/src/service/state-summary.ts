import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';

/** What a device has on disk, in numbers: never a body, a property, or a twin's value. */
export interface StateSummary {
  readonly outbox: OutboxSummary;
  readonly assignment:
    { readonly assignedHub: string; readonly deviceId: string; readonly idScope: string } | undefined;
  /** Cloud-to-device messages that wait for the application. */
  readonly unhandledMessages: number;
}

export interface OutboxSummary {
  readonly messages: number;
  /** As the hub counts them. */
  readonly bytes: number;
  readonly oldestAgeSeconds: number;
}

interface Counts {
  readonly messages: number;
  readonly bytes: number;
  readonly oldest: number | null;
  readonly unhandled: number;
  readonly assignment: string | null;
}

const query = `SELECT
    (SELECT count(*) FROM outbox WHERE device = d.id) AS messages,
    (SELECT coalesce(sum(size), 0) FROM outbox WHERE device = d.id) AS bytes,
    (SELECT min(added_ms) FROM outbox WHERE device = d.id) AS oldest,
    (SELECT count(*) FROM inbox WHERE device = d.id AND handled_ms IS NULL) AS unhandled,
    (SELECT value FROM fact WHERE device = d.id AND name = 'assignment') AS assignment
  FROM device AS d WHERE registration_id = ?`;

/**
 * Reads a state folder that an agent may be using; undefined where it has nothing of this device yet.
 *
 * @throws the database's own errors
 */
export function summarizeState(folder: string, registrationId: string, now: Date): StateSummary | undefined {
  const file = join(folder, 'agent.db');
  if (!existsSync(file)) return undefined;
  const database = new Database(file, { readonly: true });
  try {
    const counts = database.prepare(query).get(registrationId) as Counts | undefined;
    if (!counts) return undefined;
    const { messages, bytes, oldest, unhandled, assignment } = counts;
    const oldestAgeSeconds = oldest === null ? 0 : Math.max(0, Math.round((now.getTime() - oldest) / 1_000));
    return {
      outbox: { messages, bytes, oldestAgeSeconds },
      assignment: assignment === null ? undefined : assignmentOf(assignment),
      unhandledMessages: unhandled,
    };
  } finally {
    database.close();
  }
}

/** Without what a custom allocation has sent along, which may be anything. */
function assignmentOf(json: string): StateSummary['assignment'] {
  const { assignedHub, deviceId, idScope } = JSON.parse(json) as NonNullable<StateSummary['assignment']>;
  return { assignedHub, deviceId, idScope };
}
