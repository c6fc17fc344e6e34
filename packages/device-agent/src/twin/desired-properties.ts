import { textOf } from '../errors.ts';
import { applyMergePatch, createMergePatch, type JsonObject } from './merge-patch.ts';
import type { StateStore } from '../state/state-store.ts';

/** What changed since the application last answered. */
export interface DesiredChange {
  /** Only what changed; null for what was removed. */
  readonly properties: JsonObject;
  /** All desired properties, as they are now. */
  readonly desired: JsonObject;
  /** The hub's `$version` of the desired properties. */
  readonly version: number;
}

/** How the application took one property: IoT Plug and Play's acknowledgement. */
export interface Acknowledgement {
  /** The value now in force. */
  readonly value: unknown;
  /** HTTP-like status; default 200. */
  readonly code?: number;
  /** For a person to read. */
  readonly description?: string;
}

/** Answers by property name; properties without one are left unacknowledged. */
export type DesiredHandler = (
  change: DesiredChange,
) =>
  | Promise<Readonly<Record<string, Acknowledgement>> | undefined>
  | Readonly<Record<string, Acknowledgement>>
  | undefined;

/** What the desired properties are brought to, and whom they tell. */
export interface DesiredPropertiesOptions {
  readonly handle: DesiredHandler;
  /** Takes the acknowledgement as a patch of reported properties. */
  readonly acknowledge: (patch: JsonObject) => void;
  readonly onHandled: (version: number) => void;
}

interface Mark {
  readonly version: number;
  readonly desired: JsonObject;
}

const markName = 'desired';

/** Follows the desired properties by version: no change twice, none left out, also over a restart. */
export class DesiredProperties {
  readonly #store: StateStore;
  readonly #options: DesiredPropertiesOptions;
  #mark: Mark;
  #work: Promise<void> = Promise.resolve();

  constructor(store: StateStore, options: DesiredPropertiesOptions) {
    this.#store = store;
    this.#options = options;
    this.#mark = (store.get(markName) as Mark | undefined) ?? { version: 0, desired: {} };
  }

  /** The whole section, fetched after subscribing. A lower version than ours is another twin: the device was made anew. */
  takeAll(section: JsonObject): Promise<void> {
    return this.#enqueue(async () => {
      const { version, desired } = split(section);
      if (version === this.#mark.version) return;
      await this.#handle({ version, desired });
    });
  }

  /** A notification. Resolves to true where a version in between is missing, and the whole has to be fetched. */
  async takePatch(patch: JsonObject): Promise<boolean> {
    let isGap = false;
    await this.#enqueue(async () => {
      const { version, desired: changed } = split(patch);
      if (version <= this.#mark.version) return;
      isGap = version > this.#mark.version + 1;
      if (!isGap) await this.#handle({ version, desired: applyMergePatch(this.#mark.desired, changed) });
    });
    return isGap;
  }

  /** Resolves when no change is being handled. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** One change at a time, in the order in which they came. */
  #enqueue(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(step);
    return this.#work;
  }

  async #handle(next: Mark): Promise<void> {
    const properties = createMergePatch(this.#mark.desired, next.desired);
    if (properties) {
      const acknowledged = await this.#ask({ properties, desired: next.desired, version: next.version });
      if (Object.keys(acknowledged).length > 0) this.#options.acknowledge(acknowledged);
    }
    // Only now: cut before this line, the change is handled again and not lost.
    this.#mark = next;
    this.#store.put(markName, next);
    this.#options.onHandled(next.version);
  }

  async #ask(change: DesiredChange): Promise<JsonObject> {
    try {
      const answers = (await this.#options.handle(change)) ?? {};
      return Object.fromEntries(
        Object.entries(answers).map(([name, { value, code = 200, description }]) => [
          name,
          { value, ac: code, av: change.version, ...(description !== undefined && { ad: description }) },
        ]),
      );
    } catch (error) {
      const failed = { ac: 500, av: change.version, ad: textOf(error) };
      return Object.fromEntries(
        Object.entries(change.properties)
          .filter(([, value]) => value !== null)
          .map(([name, value]) => [name, { value, ...failed }]),
      );
    }
  }
}

function split(section: JsonObject): Mark {
  const desired = Object.fromEntries(Object.entries(section).filter(([name]) => !name.startsWith('$')));
  return { version: Number(section['$version']), desired };
}
