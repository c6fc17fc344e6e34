import { isDeepStrictEqual } from 'node:util';
import type { HandlerContext } from '../handler-call.ts';
import type { StateStore } from '../state/state-store.ts';
import { applyMergePatch, createMergePatch, joinMergePatches, type JsonObject } from './merge-patch.ts';

/** What changed since the application last answered. */
export interface DesiredChange<Properties extends object = JsonObject> {
  /** Only what changed; null for what was removed. */
  readonly properties: Removable<Properties>;
  /** All desired properties, as they are now. */
  readonly desired: Properties;
  /** The hub's `$version` of the desired properties. */
  readonly version: number;
}

/** Each property, or null where it was removed. */
export type Removable<Properties> = { readonly [Name in keyof Properties]: Properties[Name] | null };

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
export type Acknowledgements<Name extends string = string> = Readonly<Partial<Record<Name, Acknowledgement>>>;

/** Applies a change; an exception acknowledges all of it with 500. Cut by the end of the process, it is called again. */
export type DesiredHandler<Properties extends object = JsonObject> = (
  change: DesiredChange<Properties>,
  context: HandlerContext,
) =>
  | Promise<Acknowledgements<Extract<keyof Properties, string>> | undefined>
  | Acknowledgements<Extract<keyof Properties, string>>
  | undefined;

/** What the desired properties are brought to, and what is written with it. */
export interface DesiredPropertiesOptions {
  readonly store: StateStore;
  /** What it throws leaves the change unhandled. */
  readonly handle: (change: DesiredChange) => Promise<Acknowledgements>;
  /** Takes acknowledgements as reported properties, inside of the transaction that marks the change as handled. */
  readonly acknowledge: (properties: JsonObject) => void;
}

interface Section {
  readonly version: number;
  readonly desired: JsonObject;
}

/** What is kept on disk. */
interface Mark extends Section {
  /** Desired properties that a handler was given and hasn't answered: the device may have taken any part of them. */
  readonly begun: readonly JsonObject[];
}

/** What became of a change that the hub has told. */
export type DesiredOutcome =
  | { readonly kind: 'handled'; readonly version: number }
  /** Known already. */
  | { readonly kind: 'known' }
  /** Something is missing in between: fetch the whole. */
  | { readonly kind: 'gap' };

const markName = 'desired';

/** Follows the desired properties by version: no change twice, none left out, also over a restart. */
export class DesiredProperties {
  readonly #options: DesiredPropertiesOptions;
  /** Highest version that this session has told of. */
  #told = 0;
  /** Whether this session has brought the whole: before, a patch may belong to another twin than the one that we know. */
  #isComplete = false;

  constructor(options: DesiredPropertiesOptions) {
    this.#options = options;
  }

  /** A new session begins. */
  connected(): void {
    this.#told = 0;
    this.#isComplete = false;
  }

  /**
   * The whole section, fetched after subscribing. A lower version than ours is another twin, the device was made anew; lower
   * than what this session has told, it is an answer from before that.
   */
  async takeAll(section: JsonObject): Promise<DesiredOutcome> {
    const next = split(section);
    if (next.version < this.#told) return { kind: 'gap' };
    this.#told = next.version;
    this.#isComplete = true;
    return this.#handle(next);
  }

  /** A notification. */
  async takePatch(patch: JsonObject): Promise<DesiredOutcome> {
    const { version, desired: changed } = split(patch);
    this.#told = Math.max(this.#told, version);
    const mark = this.#mark();
    if (!this.#isComplete) return { kind: 'known' };
    if (version <= mark.version) return { kind: 'known' };
    if (version > mark.version + 1) return { kind: 'gap' };
    return this.#handle({ version, desired: applyMergePatch(mark.desired, changed) });
  }

  async #handle(next: Section): Promise<DesiredOutcome> {
    const { store, handle, acknowledge } = this.#options;
    const mark = this.#mark();
    if (isDeepStrictEqual(mark, { ...next, begun: [] })) return { kind: 'known' };
    const properties = changesSince(mark, next.desired);
    let answers: Acknowledgements = {};
    if (Object.keys(properties).length > 0) {
      // Cut while the handler runs, the next change begins from what that may have left, even if it takes all of it back.
      store.put(markName, { ...mark, begun: [...mark.begun, next.desired] } satisfies Mark);
      answers = await handle({ ...next, properties });
    }
    // At once: cut before this, the change is handled again; cut after, its acknowledgement is on disk.
    store.transaction(() => {
      store.put(markName, { ...next, begun: [] } satisfies Mark);
      acknowledge(acknowledgementsOf(answers, next.version));
    });
    return { kind: 'handled', version: next.version };
  }

  #mark(): Mark {
    return (this.#options.store.get(markName) as Mark | undefined) ?? { version: 0, desired: {}, begun: [] };
  }
}

/** What has to change from where the device may stand. */
function changesSince({ desired, begun }: Mark, next: JsonObject): JsonObject {
  return [desired, ...begun].map((from) => createMergePatch(from, next) ?? {}).reduce(joinMergePatches);
}

/** The answer to a change that was not applied: the value that was asked for, and why not. */
export function refuse({ properties, desired }: DesiredChange, code: number, reason: string): Acknowledgements {
  const names = Object.keys(properties).filter((name) => Object.hasOwn(desired, name));
  return Object.fromEntries(names.map((name) => [name, { value: desired[name], code, description: reason }]));
}

const longestDescription = 500;

function acknowledgementsOf(answers: Acknowledgements, version: number): JsonObject {
  const given = Object.entries(answers).flatMap(([name, answer]) => (answer ? [[name, answer] as const] : []));
  return Object.fromEntries(
    given.map(([name, { value, code = 200, description }]) => [
      name,
      {
        value,
        ac: code,
        av: version,
        ...(description !== undefined && { ad: description.slice(0, longestDescription) }),
      },
    ]),
  );
}

function split(section: JsonObject): Section {
  const desired = Object.fromEntries(Object.entries(section).filter(([name]) => !name.startsWith('$')));
  return { version: Number(section['$version']), desired };
}
