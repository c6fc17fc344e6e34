import { randomBytes } from 'node:crypto';

/**
 * A new serial number: 128 random bits behind a fixed first octet, which keeps it positive, in its shortest encoding, and
 * always 17 octets long (RFC 5280 section 4.1.2.2: at most 20; CA/Browser Baseline Requirements 7.1: 64 random bits).
 *
 * @returns content octets of the INTEGER
 */
export function createSerialNumber(random: (length: number) => Uint8Array = randomBytes): Uint8Array {
  return Uint8Array.of(1, ...random(16));
}
