import { DeviceAgentError } from '../errors.ts';
import { isJsonObject, type JsonObject } from './merge-patch.ts';

// Azure documents, "Understand and use device twins in IoT Hub", section "Device twin size" and the format of properties.
const deepestLevel = 10;
const largestKeyBytes = 1024;
const largestStringBytes = 4096;
const largestSectionBytes = 32 * 1024;
const smallestInteger = -4_503_599_627_370_496;
const largestInteger = 4_503_599_627_370_495;

/**
 * Reported properties as JSON has them, checked by the hub's rules; null stands for a removal.
 *
 * @throws {DeviceAgentError} ERR_AGENT_TWIN, naming the path
 */
export function checkReported(patch: JsonObject): JsonObject {
  return checkObject(patch, '', 0);
}

/**
 * The size of all reported properties, as the hub counts it.
 *
 * @throws {DeviceAgentError} ERR_AGENT_TWIN
 */
export function checkReportedSize(properties: JsonObject): void {
  const bytes = sizeOf(properties);
  if (bytes <= largestSectionBytes) return;
  const sizes = Object.entries(properties).map(([name, value]) => [name, sizeOf(value)] as const);
  const [name, size] = sizes.reduce((largest, next) => (next[1] > largest[1] ? next : largest));
  throw refused(
    name,
    `all reported properties would have ${bytes} bytes and ${largestSectionBytes} are allowed; this is the largest, with ${size}`,
  );
}

function checkObject(value: JsonObject, path: string, level: number): JsonObject {
  if (level > deepestLevel) throw refused(path, `it is deeper than ${deepestLevel} levels`);
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(
    entries.map(([key, child]) => {
      checkKey(key, path);
      return [key, checkValue(child, path === '' ? key : `${path}.${key}`, level)];
    }),
  );
}

function checkKey(key: string, path: string): void {
  const bytes = Buffer.byteLength(key);
  const where = path === '' ? key : `${path}.${key}`;
  if (bytes === 0 || bytes > largestKeyBytes)
    throw refused(where, `its name has ${bytes} bytes, 1 to 1024 are allowed`);
  // eslint-disable-next-line no-control-regex -- C0 and C1 controls are what the rule forbids
  if (/[\u0000-\u001f\u0080-\u009f.$ ]/.test(key)) {
    throw refused(where, "its name contains a control character, '.', '$' or a space");
  }
}

function checkValue(value: unknown, path: string, level: number): unknown {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (level > deepestLevel) throw refused(path, `it is deeper than ${deepestLevel} levels`);
    return items.map((item, index) => checkValue(item, `${path}[${index}]`, level + 1));
  }
  if (isJsonObject(value)) {
    const json = typeof value['toJSON'] === 'function' ? (value['toJSON'] as () => unknown).call(value) : value;
    return json === value ? checkObject(value, path, level + 1) : checkValue(json, path, level);
  }
  checkPlain(value, path);
  return value;
}

function checkPlain(value: unknown, path: string): void {
  switch (typeof value) {
    case 'string':
      if (Buffer.byteLength(value) > largestStringBytes) {
        throw refused(path, `its text has ${Buffer.byteLength(value)} bytes and ${largestStringBytes} are allowed`);
      }
      break;
    case 'number':
      if (!Number.isFinite(value)) throw refused(path, `${value} is no JSON number`);
      if (Number.isInteger(value) && (value < smallestInteger || value > largestInteger)) {
        throw refused(path, `${value} is outside of ${smallestInteger} to ${largestInteger}`);
      }
      break;
    case 'boolean':
    case 'object':
      break;
    default:
      throw refused(path, `a ${typeof value} is no JSON value`);
  }
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 0);
  if (isJsonObject(value)) {
    return Object.entries(value).reduce((sum, [key, child]) => sum + Buffer.byteLength(key) + sizeOf(child), 0);
  }
  switch (typeof value) {
    case 'string':
      return Buffer.byteLength(value);
    case 'number':
      return 8;
    default:
      return value === null ? 0 : 4;
  }
}

function refused(path: string, why: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_TWIN', `Reported property ${path} can't go into the twin: ${why}.`, {
    advice: 'Change it, and report it again.',
  });
}
