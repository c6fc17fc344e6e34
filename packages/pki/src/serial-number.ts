import { randomBytes } from 'node:crypto';

/** Octets of a serial number's content. */
export const serialNumberLength = 20;

/** Its random part, which follows the prefix: 128 bits. */
export const randomLength = 16;

/** The first octet has to leave its sign alone and not be zero: this range of the first four does. */
const smallest = 0x01000000;
const range = 0x7f000000 - smallest;

/**
 * First four octets of every serial number: the time in seconds, so that an inventory takes each new one at the end of its
 * index and not at a random place of it (for a million, 16 times as much to write). 128 random bits follow: positive, always
 * 20 octets, the most that RFC 5280 section 4.1.2.2 allows (CA/Browser Baseline Requirements 7.1: at least 64 random bits).
 * Nobody learns from it what notBefore doesn't say.
 *
 * Good for 67 years from 2020 on, then from the start again: it is an order, not a promise.
 */
export function serialNumberPrefix(at: Date): number {
  const seconds = Math.floor((at.getTime() - Date.UTC(2020, 0)) / 1000);
  return smallest + (((seconds % range) + range) % range);
}

/** @returns content octets of the INTEGER */
export function createSerialNumber(at: Date): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(serialNumberLength);
  new DataView(octets.buffer).setUint32(0, serialNumberPrefix(at));
  octets.set(randomBytes(randomLength), serialNumberLength - randomLength);
  return octets;
}
