import { closestMatch } from 'leven';
import { z } from 'zod';
import { redactSecrets } from './redaction.ts';

type Path = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;
type Shape = Readonly<Record<string, z.core.$ZodType>>;

/** Every problem on a line of its own: which key, what was expected there, what was found. */
export function describeProblems(schema: z.ZodType, input: unknown, issues: readonly Issue[]): string[] {
  return issues
    .flatMap((issue) => fitting(issue, []))
    .flatMap(({ issue, path }) => {
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => unknownKey(key, path, Object.keys(shapeAt(schema, path))));
      }
      const name = path.length === 0 ? 'the file' : path.join('.');
      return [`${name}: expected ${expectation(issue)}, found ${found(valueAt(input, path))}`];
    });
}

/** Of a choice between shapes, the one that the input comes closest to is the one that was meant. */
function fitting(issue: Issue, base: Path): { issue: Issue; path: Path }[] {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union') return [{ issue, path }];
  const weight = (branch: readonly Issue[]): number =>
    branch.reduce(
      (sum, { code, ...rest }) => sum + ('keys' in rest && code === 'unrecognized_keys' ? rest.keys.length : 1),
      0,
    );
  const [nearest] = [...issue.errors].sort((a, b) => weight(a) - weight(b));
  return nearest?.flatMap((inner) => fitting(inner, path)) ?? [{ issue, path }];
}

function unknownKey(key: string, path: Path, known: readonly string[]): string {
  const name = [...path, key].join('.');
  if (known.includes(key)) {
    return `${name}: belongs to another form of ${path.join('.')} than the keys beside it; keep those of one form`;
  }
  const begun = known.find((name) => name.startsWith(key));
  const nearest = begun ?? closestMatch(key, known, { maxDistance: Math.max(2, Math.ceil(key.length / 2)) });
  const advice = nearest === undefined ? `known here: ${known.join(', ')}` : `did you mean "${nearest}"?`;
  return `${name}: unknown key; ${advice}`;
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return (
        new Map<string, string>([
          ['object', 'an object'],
          ['record', 'an object'],
          ['array', 'a list'],
          ['int', 'a whole number'],
        ]).get(issue.expected) ?? `a ${issue.expected}`
      );
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'too_small':
      return `${Number(issue.minimum)} or more`;
    case 'too_big':
      return `${Number(issue.maximum)} or less`;
    default:
      return issue.message;
  }
}

function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || Array.isArray(value)) return value === null ? 'null' : 'a list';
  if (typeof value === 'object') return 'an object';
  return redactSecrets([])(JSON.stringify(value));
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
}

/** The keys that may stand at a place; of a choice between shapes, those of all. */
function shapeAt(schema: z.core.$ZodType, path: Path): Shape {
  if (schema instanceof z.ZodUnion) {
    const shapes: Shape[] = schema.options.map((option) => shapeAt(option, path));
    return Object.fromEntries(shapes.flatMap((shape) => Object.entries(shape)));
  }
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Shape;
    const [key, ...rest] = path;
    if (key === undefined) return shape;
    const inner = shape[String(key)];
    return inner ? shapeAt(inner, rest) : {};
  }
  const { innerType } = schema._zod.def as { innerType?: z.core.$ZodType };
  return innerType ? shapeAt(innerType, path) : {};
}
