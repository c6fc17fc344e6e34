import { createHmac, timingSafeEqual } from 'node:crypto';

/** A token `SharedAccessSignature sr=..&sig=..&se=..[&skn=..]` of a back end or a device. */
export interface SharedAccessSignature {
  /** `sr` as it was received, still percent-encoded: that is what the signature covers. */
  readonly rawResource: string;
  /** `sr` decoded. */
  readonly resource: string;
  readonly signature: Uint8Array;
  /** `se` as it was received. */
  readonly rawExpiry: string;
  readonly expiryMs: number;
  /** Policy name; undefined where a device signs with its own key. */
  readonly keyName: string | undefined;
}

/** The clock of a token's maker may be off by this much, as in Microsoft's C# SDK. */
const clockSkewMs = 300_000;

/** Undefined where the text isn't a token; the order of its fields and the case of their names don't matter. */
export function parseSharedAccessSignature(text: string): SharedAccessSignature | undefined {
  const fieldText = /^SharedAccessSignature ([^ ]+)$/.exec(text)?.[1];
  if (fieldText === undefined) return undefined;
  const fields = new Map(
    fieldText.split('&').map((field): [string, string] => {
      const separator = field.indexOf('=');
      return [field.slice(0, separator).toLowerCase(), field.slice(separator + 1)];
    }),
  );
  const rawResource = fields.get('sr');
  const rawExpiry = fields.get('se');
  const signature = decode(fields.get('sig'));
  const resource = decode(rawResource);
  const keyName = decode(fields.get('skn'));
  if (rawResource === undefined || resource === undefined || signature === undefined) return undefined;
  if (rawExpiry === undefined || !/^\d+$/.test(rawExpiry)) return undefined;
  return {
    rawResource,
    resource,
    signature: Buffer.from(signature, 'base64'),
    rawExpiry,
    expiryMs: Number(rawExpiry) * 1000,
    keyName: keyName === '' ? undefined : keyName,
  };
}

/** True where one of the keys (base64) made the signature. */
export function isSignedBy(token: SharedAccessSignature, keys: readonly (string | null)[]): boolean {
  return keys.some((key) => {
    if (key === null) return false;
    const expected = createHmac('sha256', Buffer.from(key, 'base64'))
      .update(`${token.rawResource}\n${token.rawExpiry}`)
      .digest();
    return expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
  });
}

/** When a token is taken for the last time. */
export function lastValidMs(token: SharedAccessSignature): number {
  return token.expiryMs + clockSkewMs;
}

/**
 * True where the token's resource is the path or something above it, by whole segments and without regard to case.
 *
 * @param place.isOwnHost - told the resource's host name, with the port if it has one
 * @param place.path - without the host, without a slash at either end; '' for the whole host
 */
export function coversPath(
  token: SharedAccessSignature,
  place: { readonly isOwnHost: (hostName: string) => boolean; readonly path: string },
): boolean {
  const [host = '', ...segments] = token.resource.replace(/\/+$/, '').split('/');
  const covered = segments.map((segment) => `${segment}/`).join('');
  return place.isOwnHost(host) && `${place.path}/`.toLowerCase().startsWith(covered.toLowerCase());
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
