import { randomBytes } from 'node:crypto';
import { isJsonObject } from '../hub/json.ts';
import { ProviderError } from './arm-error.ts';

/** A shared access policy of a DPS or of a hub. */
export interface AuthorizationPolicy<Right extends string> {
  readonly name: string;
  readonly rights: readonly Right[];
  /** Base64. */
  readonly primaryKey: string;
  readonly secondaryKey: string;
}

/** Where {@link parsePolicies} looks things up. */
export interface PolicySource<Right extends string> {
  /** As Resource Manager spells them. */
  readonly rights: readonly Right[];
  /** Keys that a request doesn't bring stay. */
  readonly stored: readonly AuthorizationPolicy<Right>[];
}

/**
 * Reads `properties.authorizationPolicies`, which replace those that there are. Keys that nobody has brought are made up
 * by the service, as recorded.
 *
 * @throws {ProviderError} argumentInvalid
 */
export function parsePolicies<Right extends string>(
  value: unknown,
  { rights: known, stored }: PolicySource<Right>,
): readonly AuthorizationPolicy<Right>[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return items.map((item) => {
    const { keyName, rights: asked, primaryKey, secondaryKey } = isJsonObject(item) ? item : {};
    const names = typeof asked === 'string' ? asked.split(',').map((right) => right.trim()) : [];
    const rights = known.filter((right) => names.includes(right));
    if (typeof keyName !== 'string' || rights.length === 0 || rights.length !== names.length) {
      throw new ProviderError(
        'argumentInvalid',
        `An authorization policy needs a keyName and rights out of ${known.join(', ')}.`,
      );
    }
    const policy = stored.find(({ name }) => name === keyName) ?? newPolicy(keyName, rights);
    return {
      ...policy,
      rights,
      ...(primaryKey != null && { primaryKey: checkedKey(primaryKey, keyName) }),
      ...(secondaryKey != null && { secondaryKey: checkedKey(secondaryKey, keyName) }),
    };
  });
}

/** With new keys of 32 bytes. */
export function newPolicy<Right extends string>(name: string, rights: readonly Right[]): AuthorizationPolicy<Right> {
  const newKey = (): string => randomBytes(32).toString('base64');
  return { name, rights, primaryKey: newKey(), secondaryKey: newKey() };
}

/** The message doesn't repeat what may be a key. */
function checkedKey(value: unknown, policyName: string): string {
  if (typeof value === 'string' && value !== '' && Buffer.from(value, 'base64').toString('base64') === value)
    return value;
  throw new ProviderError('argumentInvalid', `A key of authorization policy '${policyName}' is not base64.`);
}
