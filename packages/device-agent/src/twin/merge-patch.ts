import { isDeepStrictEqual } from 'node:util';

/** A JSON object as twins carry it. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7396: what a twin becomes by a patch; null removes. */
export function applyMergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  // A map, and Object.fromEntries at the end: a property may be called __proto__.
  const result = new Map(Object.entries(target));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      result.delete(key);
    } else if (isJsonObject(value)) {
      const before = result.get(key);
      result.set(key, applyMergePatch(isJsonObject(before) ? before : {}, value));
    } else {
      result.set(key, value);
    }
  }
  return Object.fromEntries(result);
}

/** The smallest patch that leads from one to the other; undefined where they are equal. */
export function createMergePatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch = new Map<string, unknown>();
  for (const key of Object.keys(from)) {
    if (!Object.hasOwn(to, key)) patch.set(key, null);
  }
  for (const [key, value] of Object.entries(to)) {
    const before = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isJsonObject(value) && isJsonObject(before)) {
      const inner = createMergePatch(before, value);
      if (inner) patch.set(key, inner);
    } else if (!isDeepStrictEqual(before, value)) {
      patch.set(key, value);
    }
  }
  return patch.size === 0 ? undefined : Object.fromEntries(patch);
}

/** One patch that leads to a document from wherever either of two does. */
export function joinMergePatches(first: JsonObject, second: JsonObject): JsonObject {
  const result = new Map(Object.entries(first));
  for (const [key, value] of Object.entries(second)) {
    const other = result.get(key);
    result.set(key, isJsonObject(value) && isJsonObject(other) ? joinMergePatches(other, value) : value);
  }
  return Object.fromEntries(result);
}
