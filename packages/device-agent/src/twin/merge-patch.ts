/** A JSON object as twins carry it. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7396: what a twin becomes by a patch; null removes. */
export function applyMergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const result: Record<string, unknown> = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a copy of our own, made above
      delete result[key];
    } else if (isJsonObject(value)) {
      const before = result[key];
      result[key] = applyMergePatch(isJsonObject(before) ? before : {}, value);
    } else {
      result[key] = value;
    }
  }
  return result;
}

/**
 * The two patches as one that does the same; nulls stay, since they still have to remove something at the hub.
 *
 * Undefined where no one patch can: an object put in the place of a value (or of nothing) would be merged into what
 * stood there before.
 */
export function joinMergePatches(first: JsonObject, second: JsonObject): JsonObject | undefined {
  const result: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const before = result[key];
    if (!isJsonObject(value) || !(key in first)) {
      result[key] = value;
      continue;
    }
    const joined = isJsonObject(before) ? joinMergePatches(before, value) : undefined;
    if (joined === undefined) return undefined;
    result[key] = joined;
  }
  return result;
}

/** The patch that leads from one to the other; undefined where they are equal. */
export function createMergePatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(from)) {
    if (!(key in to)) patch[key] = null;
  }
  for (const [key, value] of Object.entries(to)) {
    const before = from[key];
    if (isJsonObject(value) && isJsonObject(before)) {
      const inner = createMergePatch(before, value);
      if (inner) patch[key] = inner;
    } else if (!(key in from) || JSON.stringify(before) !== JSON.stringify(value)) {
      patch[key] = value;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
