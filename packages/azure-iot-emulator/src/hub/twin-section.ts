import { formatTime } from './dotnet-time.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** Desired or reported properties with the metadata tree that mirrors them; an array counts as one value. */
export interface TwinSection {
  readonly properties: JsonObject;
  readonly metadata: JsonObject;
  readonly version: number;
}

/** What a write leaves at each level that it touches. */
type Stamp = JsonObject;

interface Tree {
  readonly properties: JsonObject;
  readonly metadata: JsonObject;
}

/** A section at its first version; only later writes put `$lastUpdatedVersion` into desired metadata. */
export function createSection(properties: JsonObject, nowMs: number): TwinSection {
  return { ...merge(undefined, properties, { $lastUpdated: formatTime(nowMs) }), version: 1 };
}

/** How a section is written. */
export interface SectionWrite {
  readonly nowMs: number;
  /** True for desired properties, which keep the version of each level's last change. */
  readonly keepsVersions: boolean;
}

/** Deep merge: `null` removes, an object takes the place of a plain value, everything else replaces. */
export function patchSection(section: TwinSection, patch: JsonObject, write: SectionWrite): TwinSection {
  const version = section.version + 1;
  return { ...merge(section, patch, stampOf(version, write)), version };
}

/** Takes the new properties in place of all old ones. */
export function replaceSection(section: TwinSection, properties: JsonObject, write: SectionWrite): TwinSection {
  const version = section.version + 1;
  return { ...merge(undefined, properties, stampOf(version, write)), version };
}

/** What a device has to merge into the old properties to have the new ones, where all of them were replaced. */
export function replacementPatch(before: JsonObject, after: JsonObject): JsonObject {
  const removed = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return Object.fromEntries([...Object.entries(after), ...removed.map((key) => [key, null] as const)]);
}

/** As the service plane shows it. */
export function sectionWithMetadata(section: TwinSection): JsonObject {
  return { ...section.properties, $metadata: section.metadata, $version: section.version };
}

/** As the device sees it. */
export function sectionForDevice(section: TwinSection): JsonObject {
  return { ...section.properties, $version: section.version };
}

/** Deep merge without metadata, as for tags. */
export function mergeJson(current: JsonObject, patch: JsonObject): JsonObject {
  return merge({ properties: current, metadata: {} }, patch, {}).properties;
}

function stampOf(version: number, { nowMs, keepsVersions }: SectionWrite): Stamp {
  return { $lastUpdated: formatTime(nowMs), ...(keepsVersions && { $lastUpdatedVersion: version }) };
}

function merge(current: Tree | undefined, patch: JsonObject, stamp: Stamp): Tree {
  // Maps, and Object.fromEntries at the end: a property may be called __proto__.
  const properties = new Map<string, JsonValue>(Object.entries(current?.properties ?? {}));
  const metadata = new Map<string, JsonValue>(Object.entries(current?.metadata ?? {}));
  for (const [key, value] of Object.entries(stamp)) metadata.set(key, value);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      properties.delete(key);
      metadata.delete(key);
    } else if (isJsonObject(value)) {
      const child = merge(subtree(properties.get(key), metadata.get(key)), value, stamp);
      properties.set(key, child.properties);
      metadata.set(key, child.metadata);
    } else {
      properties.set(key, value);
      metadata.set(key, stamp);
    }
  }
  return { properties: Object.fromEntries(properties), metadata: Object.fromEntries(metadata) };
}

function subtree(properties: JsonValue | undefined, metadata: JsonValue | undefined): Tree | undefined {
  if (!isJsonObject(properties)) return undefined;
  return { properties, metadata: isJsonObject(metadata) ? metadata : {} };
}
