/**
 * A repeatable sequence of numbers from 0 (inclusive) to 1 (exclusive), so that a run can be played again: a linear
 * congruential generator modulo 2^48 (the constants of POSIX's drand48), of which the upper bits are used.
 *
 * @param seed - whole number
 */
export function seededRandom(seed: number): () => number {
  const mask = (1n << 48n) - 1n;
  let state = ((BigInt(seed) << 16n) | 0x330en) & mask;
  return () => {
    state = (state * 0x5deece66dn + 0xbn) & mask;
    return Number(state >> 16n) / 2 ** 32;
  };
}
