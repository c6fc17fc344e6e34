import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** Which part of a twin a rule speaks of, and how large it may get: "Understand device twins", section on size. */
export const sectionLimits = { tags: 8 * 1024, desired: 32 * 1024, reported: 32 * 1024 } as const;

/** Part of a twin that a patch can address. */
export type TwinPart = keyof typeof sectionLimits;

const deepestLevel = 10;
const largestKeyBytes = 1024;
const largestStringBytes = 4096;
const smallestInteger = -4_503_599_627_370_496;
const largestInteger = 4_503_599_627_370_495;

/**
 * Checks keys, depth, strings and numbers of what a client wants to write; `null` stands for a removal.
 *
 * @throws {HubError} ArgumentInvalid, naming the path
 */
export function checkTwinValues(part: TwinPart, patch: JsonObject): void {
  checkObject(patch, part, 0);
}

/** Checks the size of a whole part after a change: keys and values, without metadata. @throws {HubError} ArgumentInvalid */
export function checkTwinSize(part: TwinPart, properties: JsonObject): void {
  const bytes = sizeOf(properties);
  const limit = sectionLimits[part];
  if (bytes > limit) throw invalid(`${part} may have ${limit} bytes and would have ${bytes}`);
}

function checkObject(value: JsonObject, path: string, level: number): void {
  if (level > deepestLevel) throw invalid(`${path} is deeper than ${deepestLevel} levels`);
  for (const [key, child] of Object.entries(value)) {
    checkKey(key, path);
    checkValue(child, `${path}.${key}`, level);
  }
}

function checkKey(key: string, path: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes === 0 || bytes > largestKeyBytes)
    throw invalid(`a key in ${path} has ${bytes} bytes, 1 to 1024 are allowed`);
  // eslint-disable-next-line no-control-regex -- C0 and C1 controls are what the rule forbids
  if (/[\u0000-\u001f\u0080-\u009f.$ ]/.test(key)) {
    throw invalid(`key '${key}' in ${path} contains a control character, '.', '$' or a space`);
  }
}

function checkValue(value: JsonValue, path: string, level: number): void {
  if (isJsonObject(value)) {
    checkObject(value, path, level + 1);
  } else if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly JsonValue[]).entries())
      checkValue(item, `${path}[${index}]`, level + 1);
  } else if (typeof value === 'string' && Buffer.byteLength(value) > largestStringBytes) {
    throw invalid(`the text at ${path} is longer than ${largestStringBytes} bytes`);
  } else if (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    (value < smallestInteger || value > largestInteger)
  ) {
    throw invalid(`the integer at ${path} is outside of ${smallestInteger} to ${largestInteger}`);
  }
}

function sizeOf(value: JsonValue): number {
  if (isJsonObject(value)) {
    return Object.entries(value).reduce((sum, [key, child]) => sum + Buffer.byteLength(key) + sizeOf(child), 0);
  }
  if (Array.isArray(value)) return (value as readonly JsonValue[]).reduce<number>((sum, item) => sum + sizeOf(item), 0);
  switch (typeof value) {
    case 'string':
      return Buffer.byteLength(value);
    case 'number':
      return 8;
    case 'boolean':
      return 4;
    default:
      return 0;
  }
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
