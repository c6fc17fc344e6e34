import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { DpsError } from './dps-error.ts';

/** Null counts as absent: Microsoft's clients send both. */
export function optionalObject(value: unknown, name: string): JsonObject | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid(name, 'an object', value);
  return value;
}

export function optionalString(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw invalid(name, 'a string', value);
  return value;
}

export function optionalBoolean(value: unknown, name: string, fallback: boolean): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
  return value;
}

export function optionalStrings(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) {
    throw invalid(name, 'an array of strings', value);
  }
  return value;
}

/** One of `choices`, compared without regard to case as Microsoft's clients spell them in several ways. */
export function optionalChoice<Choice extends string>(
  value: unknown,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = optionalString(value, name);
  if (text === undefined) return undefined;
  const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw invalid(name, `one of ${choices.join(', ')}`, value);
  return found;
}

function invalid(name: string, expected: string, found: unknown): DpsError {
  const shown = typeof found === 'string' ? `'${found}'` : Array.isArray(found) ? 'an array' : typeof found;
  return new DpsError('invalidArgument', `Invalid '${name}': expected ${expected}, found ${shown}.`);
}
