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
