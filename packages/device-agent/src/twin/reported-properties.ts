import type { StateStore } from '../state/state-store.ts';
import { applyMergePatch, createMergePatch, type JsonObject } from './merge-patch.ts';
import { checkReported, checkReportedSize } from './twin-limits.ts';

/** What is kept on disk. */
interface Kept {
  /** What this device reports. */
  readonly properties: JsonObject;
  /** Properties that it has taken back, and the hub may still have. */
  readonly removed: readonly string[];
}

const factName = 'reported';

/**
 * The reported properties of one device: on disk as they should be, and beside it what the hub has, as far as this session
 * knows. What has to be sent is the difference, so that changes made offline, or faster than the hub takes them, become one
 * patch, and a twin made anew gets everything again.
 *
 * A top-level property belongs to this device from the first time that it reports it; others that the hub has are left alone.
 */
export class ReportedProperties {
  readonly #store: StateStore;
  #atHub: JsonObject | undefined;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** What this device reports, as it is on disk. */
  get properties(): JsonObject {
    return this.#kept().properties;
  }

  /**
   * Merges a patch (null removes); on disk when it returns.
   *
   * @throws {DeviceAgentError} ERR_AGENT_TWIN: it breaks the hub's limits; nothing of it is kept. ERR_AGENT_STATE
   */
  merge(patch: JsonObject): void {
    const checked = checkReported(patch);
    this.#keep(applyMergePatch(this.properties, checked), Object.keys(checked));
  }

  /** Puts whole properties in the place of what they were; as `merge` otherwise. */
  replace(properties: JsonObject): void {
    const checked = applyMergePatch({}, checkReported(properties));
    this.#keep({ ...this.properties, ...checked }, Object.keys(checked));
  }

  /** What the hub has, from here on; undefined when nobody knows any more. */
  atHub(reported: JsonObject | undefined): void {
    this.#atHub = reported;
    if (reported) this.#forgetRemoved();
  }

  /** The smallest patch that the hub still needs; undefined where it has everything, or where nobody knows what it has. */
  pending(): JsonObject | undefined {
    if (!this.#atHub) return undefined;
    const { properties, removed } = this.#kept();
    const ours = new Set([...Object.keys(properties), ...removed]);
    return createMergePatch(pick(this.#atHub, ours), properties);
  }

  /** The hub has taken a patch. */
  sent(patch: JsonObject): void {
    if (this.#atHub) this.atHub(applyMergePatch(this.#atHub, patch));
  }

  /** The hub won't take a property: it stays what the hub has, until it is reported again. */
  giveUp(name: string): void {
    const atHub = pick(this.#atHub ?? {}, new Set([name]));
    const { [name]: _, ...others } = this.properties;
    this.#keep({ ...others, ...atHub }, []);
  }

  #keep(properties: JsonObject, touched: readonly string[]): void {
    const before = this.#kept();
    checkReportedSize(properties);
    const removed = [...new Set([...before.removed, ...touched])].filter((name) => !Object.hasOwn(properties, name));
    const after: Kept = { properties, removed };
    if (createMergePatch({ ...before }, { ...after })) this.#store.put(factName, after);
  }

  #forgetRemoved(): void {
    const { properties, removed } = this.#kept();
    const left = removed.filter((name) => Object.hasOwn(this.#atHub ?? {}, name));
    if (left.length < removed.length) this.#store.put(factName, { properties, removed: left } satisfies Kept);
  }

  #kept(): Kept {
    return (this.#store.get(factName) as Kept | undefined) ?? { properties: {}, removed: [] };
  }
}

function pick(properties: JsonObject, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.has(name)));
}
