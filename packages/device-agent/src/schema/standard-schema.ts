/**
 * What a schema of any library looks like from outside: the Standard Schema interface, version 1 (standardschema.dev), which
 * zod (3.24 and later), valibot, arktype and others carry. A JSON schema gets it from `jsonSchema`.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a schema answers: the value as it reads it, or what is wrong. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong, as the schema's library tells it. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The type that a schema gives. */
export type OutputOf<Schema extends StandardSchema> = Schema extends StandardSchema<infer Output> ? Output : never;

/** One thing that is wrong with a value, for whoever sent it. */
export interface SchemaIssue {
  /** Such as `target.value` or `zones.0.name`; empty for the whole. */
  readonly path: string;
  /** In the words of the schema's library. */
  readonly expected: string;
  /** What stands there: JSON, cut after 100 characters, or `nothing`. */
  readonly found: string;
}

const mostIssues = 10;

/** What is wrong with a value, with what was found at each place; the first ten. */
export function issuesOf(issues: readonly StandardIssue[], value: unknown): SchemaIssue[] {
  return issues.slice(0, mostIssues).map(({ message, path = [] }) => {
    const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
    return { path: keys.join('.'), expected: message, found: describe(valueAt(value, keys)) };
  });
}

/** Issues in one line, for a person. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map(({ path, expected, found }) => `${path && `${path}: `}${expected} (found ${found})`).join('; ');
}

const longestDescription = 100;

function describe(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > longestDescription ? `${text.slice(0, longestDescription)}...` : text;
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
  let found = value;
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Readonly<Record<string, unknown>>)[key];
  }
  return found;
}
