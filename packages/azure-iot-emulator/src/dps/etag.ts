import { randomBytes } from 'node:crypto';

/**
 * An ETag as DPS and Azure's certificates have it: base64 of a quoted, GUID-like string whose last group is the write's
 * time, Unix seconds in hexadecimal with `0000` after it (decoded from recorded answers; the other groups are opaque).
 *
 * @param nowMs - Unix milliseconds
 * @param kind - four hexadecimal digits that Azure keeps for a kind of item: `3300` enrollments, `0700` certificates
 */
export function createEtag(nowMs: number, kind: '3300' | '0700'): string {
  const unique = randomBytes(4).toString('hex');
  const writtenAt = Math.floor(nowMs / 1000)
    .toString(16)
    .padStart(8, '0');
  return Buffer.from(`"${unique}-0000-${kind}-0000-${writtenAt}0000"`, 'ascii').toString('base64');
}

/** An `If-Match` value without the quotes that some of Microsoft's clients put around it. */
export function unquotedEtag(ifMatch: string): string {
  return ifMatch.replace(/^"(.*)"$/, '$1');
}
