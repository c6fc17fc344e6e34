import { isJsonObject, type JsonObject, type JsonValue } from '../hub/json.ts';
import type { Snapshot } from './snapshots.ts';

/** One thing that isn't the same in two snapshots. */
export interface SnapshotDifference {
  /** For example `hubs/my-hub/devices`. */
  readonly collection: string;
  readonly key: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** Of something that has changed: each field, with what it was and is; a key or secret is not shown. */
  readonly fields: readonly FieldDifference[];
  /** The same in words. */
  readonly text: string;
}

/** A field that isn't the same. */
export interface FieldDifference {
  /** For example `twin.desired.version`. */
  readonly path: string;
  /** Absent where the field wasn't there. */
  readonly before?: JsonValue;
  readonly after?: JsonValue;
}

/** What has changed from one snapshot to another, collection by collection. */
export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotDifference[] {
  return [...namesOf(before.collections, after.collections)].sort().flatMap((collection) => {
    const old = before.collections[collection] ?? {};
    const now = after.collections[collection] ?? {};
    return [...namesOf(old, now)].flatMap((key) => differenceOf(collection, key, [old[key], now[key]]));
  });
}

type Pair = readonly [before: JsonValue | undefined, after: JsonValue | undefined];

function differenceOf(collection: string, key: string, [before, after]: Pair): SnapshotDifference[] {
  if (before === undefined) return [describe({ collection, key, change: 'added', fields: [] })];
  if (after === undefined) return [describe({ collection, key, change: 'removed', fields: [] })];
  const fields = fieldsOf('', [before, after]);
  return fields.length === 0 ? [] : [describe({ collection, key, change: 'changed', fields })];
}

function fieldsOf(path: string, [before, after]: Pair): FieldDifference[] {
  if (isJsonObject(before) && isJsonObject(after)) {
    return [...namesOf(before, after)].flatMap((name) =>
      fieldsOf(path === '' ? name : `${path}.${name}`, [before[name], after[name]]),
    );
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isSecret = /(?:key|secret|keys\.primary|keys\.secondary)$/i.test(path);
  const show = (value: JsonValue): JsonValue => (isSecret ? '(secret)' : value);
  return [
    {
      path,
      ...(before !== undefined && { before: show(before) }),
      ...(after !== undefined && { after: show(after) }),
    },
  ];
}

function describe(difference: Omit<SnapshotDifference, 'text'>): SnapshotDifference {
  const { collection, key, change, fields } = difference;
  const details = fields.map(({ path, before, after }) => `${path} ${shown(before)} -> ${shown(after)}`);
  return {
    ...difference,
    text: `${collection}: ${key} ${change}${details.length > 0 ? `: ${details.join(', ')}` : ''}`,
  };
}

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function namesOf(a: JsonObject | Snapshot['collections'], b: JsonObject | Snapshot['collections']): Set<string> {
  return new Set([...Object.keys(a), ...Object.keys(b)]);
}
