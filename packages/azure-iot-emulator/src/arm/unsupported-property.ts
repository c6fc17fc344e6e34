import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, JsonValue } from '../hub/json.ts';
import { GatewayError } from './arm-error.ts';

/**
 * Refuses settings that the emulator would not act on, so that nobody takes them for done. What says no more than
 * `defaults` passes: clients write whole resources back.
 *
 * @throws {GatewayError} NotImplemented, naming the property
 */
export function refuseUnsupported(properties: JsonObject, defaults: JsonObject, what: string): void {
  for (const [name, fallback] of Object.entries(defaults)) {
    const given = properties[name];
    if (given != null && !isEmpty(given) && !isDeepStrictEqual(given, fallback)) {
      throw new GatewayError('NotImplemented', `The emulator does not support property '${name}' of ${what}.`);
    }
  }
}

function isEmpty(value: JsonValue): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
