import { jest } from '@jest/globals';
import { createDecipheriv, generateKeyPairSync } from 'node:crypto';

type Run = (...args: unknown[]) => unknown;

/** Memory that our own code was given by Node in octets, since watchMemory. */
let seen: Buffer[] = [];

/**
 * From now on, keeps every Buffer that code of this package, but no library under it, gets from Node: out of texts, of other
 * memory, of keys and of ciphers. `jest.restoreAllMocks()` ends it.
 */
export function watchMemory(): void {
  seen = [];
  for (const name of ['from', 'alloc', 'allocUnsafe', 'concat']) watch(Buffer, name);
  watch(Object.getPrototypeOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey) as object, 'export');
  const { prototype } = createDecipheriv('aes-256-cbc', Buffer.alloc(32), Buffer.alloc(16)).constructor as {
    prototype: object;
  };
  for (const name of ['update', 'final']) watch(prototype, name);
}

function watch(owner: object, name: string): void {
  const methods = owner as Record<string, Run>;
  const real = methods[name]!;
  jest.spyOn(methods, name).mockImplementation(function (this: unknown, ...args: unknown[]) {
    const result = real.apply(this, args);
    // 0: the text, 1: this function, 2: jest's part, 3: who called
    const [caller = ''] = (new Error().stack ?? '')
      .split('\n')
      .filter(
        (line) =>
          /\/pki\/(src|dist|test)\/|node_modules\/\.pnpm\/(?!jest)/.test(line) && !line.includes('memory-watch'),
      );
    if (Buffer.isBuffer(result) && /\/pki\/(src|dist)\//.test(caller)) seen.push(result);
    return result;
  });
}

/** How often the octets are in memory that was seen, or what `isThere` says of each place behind them. */
export function countSeen(octets: Uint8Array, isThere: (after: Buffer) => boolean = () => true): number {
  let count = 0;
  for (const buffer of seen) {
    for (let at = buffer.indexOf(octets); at >= 0; at = buffer.indexOf(octets, at + 1)) {
      if (isThere(buffer.subarray(at + octets.length))) count += 1;
    }
  }
  return count;
}

/** How many pieces of memory were seen: none, and nothing is proved. */
export function piecesSeen(): number {
  return seen.length;
}
