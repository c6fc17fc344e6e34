import { createHash } from 'node:crypto';
import type { StateStore } from '../state/state-store.ts';
import { readCloudToDevice, type CloudToDeviceMessage } from './cloud-to-device.ts';

/** A message as a session brings it. */
export interface ReceivedMessage {
  readonly topic: string;
  readonly body: Buffer;
  /** MQTT packet identifier; a message that is sent again keeps it (MQTT 3.1.1 section 4.4). */
  readonly packetId: number;
  /** MQTT's DUP flag: the hub has tried to send this before. */
  readonly isRedelivery: boolean;
}

/** A message that waits for the application. */
export interface WaitingMessage {
  readonly sequence: number;
  /** How often it has been handed over already. */
  readonly attempts: number;
  readonly message: CloudToDeviceMessage;
}

/** A message that is on disk already. */
export interface KnownMessage {
  readonly sequence: number;
  readonly messageId: string | undefined;
  readonly isHandled: boolean;
}

/** Handled messages that are remembered in any case: twice what a hub's queue holds for a device, which is 50. */
const leastRemembered = 100;
const mostRemembered = 1_000;

/** A hub keeps a message for two days at most, and so can't send it again after. A day more, for clocks that differ. */
const rememberedForMs = 3 * 24 * 3_600_000;

/** One device's messages on disk: those that wait, and the identity of those that were handled. */
export class MessageStore {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /**
   * The message that this one repeats.
   *
   * With a message ID it is the one of equal ID and body: a sender that uses an ID again for something else loses nothing.
   * Without, two equal messages are two messages. One repeats another where MQTT says so, by DUP flag and packet identifier;
   * or where that waits and this session hasn't brought it yet, since the hub still has it then.
   *
   * @param broughtAlready - sequences of the messages that this session has brought
   */
  find(received: ReceivedMessage, broughtAlready: ReadonlySet<number>): KnownMessage | undefined {
    const { messageId, identity } = identify(received);
    const rows = this.#prepare(
      'SELECT sequence, packet_id, handled_ms FROM inbox WHERE device = ? AND identity = ? ORDER BY sequence',
    ).all(this.#store.device, identity) as IdentityRow[];
    const isSamePacket = ({ packet_id }: IdentityRow): boolean =>
      received.isRedelivery && packet_id === received.packetId;
    const isStillAtHub = ({ sequence, handled_ms }: IdentityRow): boolean =>
      handled_ms === null && !broughtAlready.has(sequence);
    const row = messageId === undefined ? (rows.find(isSamePacket) ?? rows.find(isStillAtHub)) : rows.at(-1);
    return row && { sequence: row.sequence, messageId, isHandled: row.handled_ms !== null };
  }

  /** On disk when it returns. */
  add(received: ReceivedMessage): number {
    const { device } = this.#store;
    return this.#store.transaction(() => {
      const { last } = this.#prepare('SELECT max(sequence) AS last FROM inbox WHERE device = ?').get(device) as {
        last: number | null;
      };
      const sequence = (last ?? 0) + 1;
      this.#prepare('INSERT INTO inbox VALUES (?, ?, ?, ?, 0, NULL, ?, ?)').run(
        device,
        sequence,
        identify(received).identity,
        received.packetId,
        received.topic,
        received.body,
      );
      return sequence;
    });
  }

  /** The oldest that waits after a sequence. */
  next(sequence: number): WaitingMessage | undefined {
    const row = this.#prepare(
      'SELECT sequence, attempts, topic, body FROM inbox WHERE device = ? AND sequence > ? AND handled_ms IS NULL ORDER BY sequence LIMIT 1',
    ).get(this.#store.device, sequence) as WaitingRow | undefined;
    return (
      row && {
        sequence: row.sequence,
        attempts: row.attempts,
        message: readCloudToDevice(row.topic, Buffer.from(row.body)),
      }
    );
  }

  /** Counts an attempt, before it begins: one that kills the process counts, too. */
  countAttempt(sequence: number): void {
    this.#store.transaction(() =>
      this.#prepare('UPDATE inbox SET attempts = attempts + 1 WHERE device = ? AND sequence = ?').run(
        this.#store.device,
        sequence,
      ),
    );
  }

  /** Keeps no more of the message than tells it again. */
  markHandled(sequence: number, now: Date): void {
    const { device } = this.#store;
    this.#store.transaction(() => {
      this.#prepare("UPDATE inbox SET handled_ms = ?, topic = '', body = x'' WHERE device = ? AND sequence = ?").run(
        now.getTime(),
        device,
        sequence,
      );
      this.#prepare(
        'DELETE FROM inbox WHERE device = ? AND handled_ms IS NOT NULL AND (sequence <= ? OR (sequence <= ? AND handled_ms < ?))',
      ).run(device, sequence - mostRemembered, sequence - leastRemembered, now.getTime() - rememberedForMs);
    });
  }

  #prepare(sql: string): ReturnType<StateStore['database']['prepare']> {
    return this.#store.database.prepare(sql);
  }
}

interface IdentityRow {
  readonly sequence: number;
  readonly packet_id: number;
  readonly handled_ms: number | null;
}

interface WaitingRow {
  readonly sequence: number;
  readonly attempts: number;
  readonly topic: string;
  readonly body: Uint8Array;
}

function identify({ topic, body }: ReceivedMessage): { messageId: string | undefined; identity: Buffer } {
  const { messageId } = readCloudToDevice(topic, body);
  const names = JSON.stringify(messageId === undefined ? { topic } : { messageId });
  return { messageId, identity: createHash('sha256').update(names).update('\n').update(body).digest() };
}
