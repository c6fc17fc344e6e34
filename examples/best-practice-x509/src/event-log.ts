import type { AgentEvent } from '@contoso/device-agent';

type EventOf<T extends AgentEvent['type']> = Extract<AgentEvent, { readonly type: T }>;

/** Remembers what an agent told, so that a story can wait for it whether it comes before or after the question. */
export class EventLog {
  readonly #events: AgentEvent[] = [];
  readonly #listeners = new Set<() => void>();

  readonly add = (event: AgentEvent): void => {
    this.#events.push(event);
    for (const listener of [...this.#listeners]) listener();
  };

  all<T extends AgentEvent['type']>(type: T): EventOf<T>[] {
    return this.#events.filter((event): event is EventOf<T> => event.type === type);
  }

  /** The first event that fits, seen already or within the time. */
  async waitFor<T extends AgentEvent['type']>(
    type: T,
    fits: (event: EventOf<T>) => boolean,
    what: string,
    timeoutMs = 30_000,
  ): Promise<EventOf<T>> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.all(type).find(fits);
        if (!found) return;
        end();
        resolve(found);
      };
      const end = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`Waited ${timeoutMs / 1000} s for this: ${what}.`));
      }, timeoutMs);
      this.#listeners.add(look);
      look();
    });
  }
}
