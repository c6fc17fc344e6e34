/** The first octet of a serial number has to leave its sign alone and not be zero: this range of the first four does. */
const smallest = 0x01000000;
const range = 0x7f000000 - smallest;

/** Octets of a serial number's content. */
export const serialNumberLength = 20;

/**
 * First four octets of a serial number: the time in seconds, so that an inventory takes each new one at the end of its
 * index and not at a random place of it (for a million, 16 times as much to write). 128 random bits follow: positive,
 * always 20 octets, the most that RFC 5280 section 4.1.2.2 allows. Nobody learns from it what notBefore doesn't say.
 *
 * Good for 67 years from 2020 on, then from the start again: it is an order, not a promise.
 */
export function serialNumberPrefix(now: Date): number {
  const seconds = Math.floor((now.getTime() - Date.UTC(2020, 0)) / 1000);
  return smallest + (((seconds % range) + range) % range);
}
