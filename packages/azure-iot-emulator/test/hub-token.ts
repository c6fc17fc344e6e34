import { createHmac } from 'node:crypto';

export interface TokenOptions {
  /** As it goes into the token, before encoding. */
  readonly resource: string;
  /** Base64. */
  readonly key: string;
  readonly policy?: string;
  /** Seconds since 1970. */
  readonly expiry?: number;
  /** How the resource is encoded; clients differ in the case of the escapes. */
  readonly encode?: (text: string) => string;
}

/** A shared access signature, written by the rules of the document and not with code of the emulator. */
export function signToken({ resource, key, policy, expiry, encode = encodeURIComponent }: TokenOptions): string {
  const se = String(expiry ?? Math.floor(Date.now() / 1000) + 3600);
  const sr = encode(resource);
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64');
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}${policy === undefined ? '' : `&skn=${policy}`}`;
}
