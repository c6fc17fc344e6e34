import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonValue } from './json.ts';

/** How a device shows who it is; `none` is for modules that Edge manages. */
export type AuthenticationType = 'sas' | 'selfSigned' | 'certificateAuthority' | 'none';

/** `authentication` of an identity: both objects are always there, filled only where the type uses them. */
export interface DeviceAuthentication {
  readonly type: AuthenticationType;
  /** Base64. */
  readonly symmetricKey: { readonly primaryKey: string | null; readonly secondaryKey: string | null };
  /** Hexadecimal SHA-1 or SHA-256 of the DER certificate, as the back end wrote it. */
  readonly x509Thumbprint: { readonly primaryThumbprint: string | null; readonly secondaryThumbprint: string | null };
}

const noKeys = { primaryKey: null, secondaryKey: null };
const noThumbprints = { primaryThumbprint: null, secondaryThumbprint: null };

/** What {@link readAuthentication} falls back on. */
export interface AuthenticationDefaults {
  /** What the identity had; its keys stay where a change doesn't name any. */
  readonly current: DeviceAuthentication | undefined;
  /** A new base64 key. */
  readonly newKey: () => string;
}

/**
 * Reads `authentication` of a request. Without it, or with empty keys, the service makes keys (seen in Microsoft's
 * end-to-end tests); without `type`, a thumbprint means selfSigned.
 *
 * @throws {HubError} ArgumentInvalid
 */
export function readAuthentication(
  value: JsonValue | undefined,
  defaults: AuthenticationDefaults,
): DeviceAuthentication {
  if (value === undefined || value === null) return defaults.current ?? readAuthentication({}, defaults);
  if (!isJsonObject(value)) throw invalid('authentication has to be an object');
  const thumbprints = isJsonObject(value.x509Thumbprint) ? value.x509Thumbprint : {};
  const primaryThumbprint = readThumbprint(thumbprints.primaryThumbprint);
  const secondaryThumbprint = readThumbprint(thumbprints.secondaryThumbprint);
  const type = readType(value.type, primaryThumbprint !== null || secondaryThumbprint !== null);
  switch (type) {
    case 'sas':
      return { type, symmetricKey: readKeys(value.symmetricKey, defaults), x509Thumbprint: noThumbprints };
    case 'selfSigned':
      if (primaryThumbprint === null && secondaryThumbprint === null) {
        throw invalid('authentication type selfSigned needs a thumbprint');
      }
      return { type, symmetricKey: noKeys, x509Thumbprint: { primaryThumbprint, secondaryThumbprint } };
    default:
      return { type, symmetricKey: noKeys, x509Thumbprint: noThumbprints };
  }
}

function readType(value: JsonValue | undefined, hasThumbprint: boolean): AuthenticationType {
  if (value === undefined || value === null) return hasThumbprint ? 'selfSigned' : 'sas';
  if (value === 'sas' || value === 'selfSigned' || value === 'certificateAuthority' || value === 'none') return value;
  throw invalid('authentication.type has to be sas, selfSigned, certificateAuthority or none');
}

function readThumbprint(value: JsonValue | undefined): string | null {
  if (value === undefined || value === null || value === '') return null;
  if (typeof value === 'string' && /^(?:[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$/.test(value)) return value;
  throw invalid('a thumbprint has to be 40 (SHA-1) or 64 (SHA-256) hexadecimal digits');
}

function readKeys(
  value: JsonValue | undefined,
  { current, newKey }: AuthenticationDefaults,
): DeviceAuthentication['symmetricKey'] {
  const keys = isJsonObject(value) ? value : {};
  return {
    primaryKey: readKey(keys.primaryKey) ?? current?.symmetricKey.primaryKey ?? newKey(),
    secondaryKey: readKey(keys.secondaryKey) ?? current?.symmetricKey.secondaryKey ?? newKey(),
  };
}

function readKey(value: JsonValue | undefined): string | null {
  if (value === undefined || value === null || value === '') return null;
  const bytes =
    typeof value === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(value) ? Buffer.from(value, 'base64') : undefined;
  if (bytes?.toString('base64') !== value || bytes.length < 16 || bytes.length > 64) {
    throw invalid('a symmetric key has to be the base64 form of 16 to 64 bytes');
  }
  return value;
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
