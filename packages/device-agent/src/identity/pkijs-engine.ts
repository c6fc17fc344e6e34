import { webcrypto } from 'node:crypto';
import { CryptoEngine } from 'pkijs';

/** Node's own cryptography for pkijs, handed to each call; pkijs is written against the browser's type of the same object. */
export const engine = new CryptoEngine({ name: 'node:crypto', crypto: webcrypto as never });
