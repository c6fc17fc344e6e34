import { isJsonObject, type JsonObject, type JsonValue } from '../hub/json.ts';
import { evaluate, valueAt } from './evaluate.ts';
import type { Aggregate, Column, Path, Query } from './query-syntax.ts';

/** What a query answers. */
export interface QueryResult {
  /** Header `x-ms-item-type`; clients read it with its capital. */
  readonly itemType: 'Twin' | 'Raw';
  readonly rows: readonly JsonObject[];
}

/** Answers a query from the twins of its collection. */
export function runQuery(query: Query, twins: readonly JsonObject[]): QueryResult {
  const { condition, columns, groupBy, top = Infinity } = query;
  // A condition that can't be told drops the row, as one that is false.
  const found = condition ? twins.filter((row) => evaluate(condition, row) === true) : twins;
  if (!columns) return { itemType: 'Twin', rows: found.slice(0, top) };
  const isGrouped = groupBy.length > 0 || columns.some(({ source }) => source.kind === 'aggregate');
  const rows = isGrouped
    ? groups(found, groupBy).map((group) => groupRow(columns, group))
    : found.slice(0, top).map((row) => projection(columns, row));
  return { itemType: 'Raw', rows: rows.slice(0, top) };
}

/** Columns whose value can't be told are left out. */
function projection(columns: readonly Column[], row: JsonObject): JsonObject {
  return Object.fromEntries(columns.flatMap((column) => cell(column, row)));
}

function cell({ alias, source }: Column, row: JsonObject): [string, JsonValue][] {
  if (source.kind === 'aggregate') return [];
  if (source.kind === 'path') {
    const found = valueAt(row, source.path);
    return found ? [[alias ?? found.name, found.value]] : [];
  }
  const value = evaluate(source, row);
  return value === undefined || alias === undefined ? [] : [[alias, value]];
}

function groupRow(columns: readonly Column[], group: readonly JsonObject[]): JsonObject {
  return Object.fromEntries(
    columns.flatMap((column): [string, JsonValue][] => {
      const { source } = column;
      if (source.kind !== 'aggregate') return group[0] ? cell(column, group[0]) : [];
      const value = aggregate(source, group);
      return value === undefined || column.alias === undefined ? [] : [[column.alias, value]];
    }),
  );
}

/** Without GROUP BY all rows are one group, even where there are none. */
function groups(rows: readonly JsonObject[], groupBy: readonly Path[]): readonly (readonly JsonObject[])[] {
  if (groupBy.length === 0) return [rows];
  const byKey = new Map<string, JsonObject[]>();
  for (const row of rows) {
    const key = JSON.stringify(groupBy.map((path) => valueAt(row, path)?.value ?? { missing: true }));
    const group = byKey.get(key);
    if (group) group.push(row);
    else byKey.set(key, [row]);
  }
  return [...byKey.values()];
}

function aggregate({ function: name, path }: Aggregate, rows: readonly JsonObject[]): JsonValue | undefined {
  if (!path) return rows.length;
  const values = rows.map((row) => valueAt(row, path)?.value).filter((value) => value !== undefined);
  const numbers = values.filter((value) => typeof value === 'number');
  const sum = numbers.reduce((total, value) => total + value, 0);
  switch (name) {
    case 'count':
      return rows.length;
    case 'sum':
      return sum;
    case 'avg':
      return numbers.length === 0 ? undefined : sum / numbers.length;
    default:
      return extreme(values, name);
  }
}

/** Of numbers if there are any, else of texts. */
function extreme(values: readonly JsonValue[], name: 'min' | 'max'): JsonValue | undefined {
  const comparable = values.filter((value) => !isJsonObject(value) && !Array.isArray(value));
  const numbers = comparable.filter((value) => typeof value === 'number');
  const candidates = numbers.length > 0 ? numbers : comparable.filter((value) => typeof value === 'string');
  return [...candidates].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0)).at(name === 'min' ? 0 : -1);
}
