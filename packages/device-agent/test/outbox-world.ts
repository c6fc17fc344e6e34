import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStateStore, type StateStore } from '../src/state/state-store.ts';
import { systemClock, type Clock, type OutboxEvent, type OutboxOptions } from '../src/index.ts';
import { Outbox } from '../src/telemetry/outbox.ts';
import type { StoredMessage } from '../src/telemetry/telemetry-message.ts';

/** An outbox in a folder of its own, which can be closed and opened again. */
export class OutboxWorld {
  folder: string;
  readonly events: OutboxEvent[] = [];
  readonly #options: OutboxOptions;
  readonly #clock: Clock = {
    ...systemClock,
    now: () => this.now,
    elapsedMs: () => this.now.getTime() - this.#setMs,
  };
  now = new Date('2026-05-01T00:00:00.000Z');
  /** How far the clock was set, beside the time that went by. */
  #setMs = 0;
  store!: StateStore;
  outbox!: Outbox;

  constructor(options: OutboxOptions = {}, folder = mkdtempSync(join(tmpdir(), 'outbox-'))) {
    this.folder = folder;
    this.#options = options;
    this.open();
  }

  /** Somebody sets the clock: no time goes by. */
  setClock(now: Date): void {
    this.#setMs += now.getTime() - this.now.getTime();
    this.now = now;
  }

  open(): void {
    this.store = openStateStore(this.folder, 'thermostat-1');
    this.outbox = new Outbox(this.store, { ...this.#options, clock: this.#clock }, (event) => this.events.push(event));
  }

  reopen(): void {
    this.store.close();
    this.open();
  }

  /** Goes on with what is on disk now, without closing. */
  crash(): void {
    const [{ store, folder }, next] = [this, mkdtempSync(join(tmpdir(), 'outbox-'))];
    for (const name of ['agent.db', 'agent.db-wal']) copyFileSync(join(folder, name), join(next, name));
    store.close();
    rmSync(folder, { recursive: true, force: true });
    this.folder = next;
    this.open();
  }

  add(messageId: string, more: Partial<Parameters<Outbox['add']>[0]> = {}): Promise<StoredMessage> {
    return this.outbox.add({ body: { messageId }, messageId, ...more });
  }

  /** The IDs of all that a new reader would be given. */
  waiting(): string[] {
    this.outbox.startReading();
    const ids = this.read(Infinity).map(({ messageId }) => messageId);
    this.outbox.stopReading();
    return ids;
  }

  read(limit: number): StoredMessage[] {
    const messages: StoredMessage[] = [];
    while (messages.length < limit) {
      const page = this.outbox.next(Math.min(100, limit - messages.length), 1e6);
      if (page.length === 0) break;
      messages.push(...page);
    }
    return messages;
  }

  dropped(): { reason: string; messageIds: readonly string[] }[] {
    return this.events.flatMap((event) =>
      event.type === 'telemetry-dropped' ? [{ reason: event.reason, messageIds: event.messageIds }] : [],
    );
  }

  remove(): void {
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The end of this turn of the event loop: what was written in it is committed. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
