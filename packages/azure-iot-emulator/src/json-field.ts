import { isJsonObject, type JsonObject } from './hub/json.ts';

/** Says what is expected where a value isn't that. */
export type FieldCheck = (value: unknown) => string | undefined;

export const text: FieldCheck = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a text');

export const flag: FieldCheck = (value) => (typeof value === 'boolean' ? undefined : 'true or false');

export const object: FieldCheck = (value) => (isJsonObject(value) ? undefined : 'an object');

export function number(
  least: number,
  most: number,
  { isWhole = false, isAbove = false }: { readonly isWhole?: boolean; readonly isAbove?: boolean } = {},
): FieldCheck {
  return (value) =>
    typeof value === 'number' &&
    (isAbove ? value > least : value >= least) &&
    value <= most &&
    (!isWhole || Number.isInteger(value))
      ? undefined
      : `a ${isWhole ? 'whole ' : ''}number ${isAbove ? 'above' : 'from'} ${least} to ${most}`;
}

export function oneOf(...values: readonly string[]): FieldCheck {
  return (value) => (values.includes(String(value)) ? undefined : `one of ${values.join(', ')}`);
}

export const texts: FieldCheck = (value) =>
  Array.isArray(value) && value.every((item) => text(item) === undefined) ? undefined : 'an array of texts';

/** Fields by name; one with `!` behind its name has to be there. */
export type FieldChecks = Readonly<Record<string, FieldCheck>>;

/** What is wrong with an object. */
export interface FieldProblem {
  readonly field: string;
  readonly expected: string;
  /** The value as JSON, or `nothing`. */
  readonly found: string;
}

/** The first field that isn't what it has to be, or that nobody knows; undefined where all is well. */
export function findFieldProblem(json: JsonObject, checks: FieldChecks): FieldProblem | undefined {
  for (const [marked, check] of Object.entries(checks)) {
    const field = marked.replace('!', '');
    const value = json[field];
    const expected = value === undefined && !marked.endsWith('!') ? undefined : check(value);
    if (expected !== undefined) return { field, expected, found: shown(value) };
  }
  const known = Object.keys(checks).map((name) => name.replace('!', ''));
  const unknown = Object.keys(json).find((name) => !known.includes(name));
  return unknown === undefined
    ? undefined
    : { field: unknown, expected: `only ${known.join(', ')}`, found: `'${unknown}'` };
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 80)}...` : json;
}
