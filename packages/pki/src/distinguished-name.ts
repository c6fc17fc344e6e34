import { Name } from './engine.ts';
import { PkiError } from './errors.ts';

/**
 * Name with a common name and nothing else, as UTF8String (RFC 5280 section 4.1.2.4).
 *
 * @throws {PkiError} ERR_PKI_COMMON_NAME unless it has 1 to 64 characters (ub-common-name), no control character, and
 * no space at either end
 */
export function commonNameOnly(commonName: string): Name {
  if (typeof commonName !== 'string') throw new TypeError('commonName must be a string.');
  const characters = Array.from(commonName);
  const length = characters.length;
  const isUsable =
    length >= 1 && length <= 64 && commonName === commonName.trim() && !/[\p{Cc}\p{Cs}]/u.test(commonName);
  if (!isUsable) {
    throw new PkiError(
      'ERR_PKI_COMMON_NAME',
      `Common name ${JSON.stringify(characters.slice(0, 64).join(''))} (${length} characters) can't be used: ` +
        'give 1 to 64 characters, no control characters, no space at the ends.',
    );
  }
  return new Name([{ CN: [{ utf8String: commonName }] }]);
}

/** The common name, or undefined where there is none or more than one. */
export function readCommonName(name: Name): string | undefined {
  const found = name.getField('CN');
  return found.length === 1 ? found[0] : undefined;
}

/**
 * Whether two names are the same one (RFC 5280 section 7.1): the kind of string, upper and lower case, and the number of
 * spaces don't count.
 */
export function isSameName(one: Name, other: Name): boolean {
  return canonical(one).length === canonical(other).length && isBelow(one, other);
}

/** Whether a name begins with another one, or is that itself (RFC 5280 section 4.2.1.10). */
export function isBelow(name: Name, base: Name): boolean {
  const parts = canonical(name);
  return canonical(base).every((part, index) => part === parts[index]);
}

export function isEmptyName(name: Name): boolean {
  return name.toJSON().length === 0;
}

const known = new WeakMap<Name, readonly string[]>();

function canonical(name: Name): readonly string[] {
  const found = known.get(name) ?? fold(name);
  known.set(name, found);
  return found;
}

/** Its relative distinguished names. Only ASCII is folded, as OpenSSL does: what other verifiers make of the rest differs. */
function fold(name: Name): string[] {
  const foldText = (value: string): string =>
    value
      .trim()
      .replace(/\s+/g, ' ')
      .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return name
    .toJSON()
    .map((part) =>
      JSON.stringify(Object.entries(part).flatMap(([type, values]) => values.map((value) => [type, foldText(value)]))),
    );
}
