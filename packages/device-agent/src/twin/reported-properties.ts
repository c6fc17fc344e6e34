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
  #hubVersion = 0;

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

  /** The section as the hub has it; one from before a patch that the hub has taken since says nothing new. */
  atHub(section: JsonObject): void {
    const { $version = 0, ...properties } = section;
    if (Number($version) >= this.#hubVersion) this.#hubHas(properties, Number($version));
  }

  /** Nobody knows any more what the hub has. */
  disconnected(): void {
    this.#atHub = undefined;
    this.#hubVersion = 0;
  }

  /** The smallest patch that the hub still needs; undefined where it has everything, or where nobody knows what it has. */
  pending(): JsonObject | undefined {
    if (!this.#atHub) return undefined;
    const { properties, removed } = this.#kept();
    const ours = new Set([...Object.keys(properties), ...removed]);
    return createMergePatch(pick(this.#atHub, ours), properties);
  }

  /** The hub has taken a patch. */
  sent(patch: JsonObject, version: number): void {
    if (this.#atHub) this.#hubHas(applyMergePatch(this.#atHub, patch), version);
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

  #hubHas(atHub: JsonObject, version: number): void {
    this.#atHub = atHub;
    this.#hubVersion = version;
    const { properties, removed } = this.#kept();
    const left = removed.filter((name) => Object.hasOwn(atHub, name));
    if (left.length < removed.length) this.#store.put(factName, { properties, removed: left } satisfies Kept);
  }

  #kept(): Kept {
    return (this.#store.get(factName) as Kept | undefined) ?? { properties: {}, removed: [] };
  }
}

function pick(properties: JsonObject, names: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => names.has(name)));
}
