import { unsupported } from './encryption.ts';
import { hashRepeatedly } from './repeated-hash.ts';

/** What a key is for (RFC 7292 appendix B.3). */
export const pkcs12Purpose = { key: 1, iv: 2, mac: 3 } as const;

/** Octets that the hash takes at once. */
const blockLengths: Readonly<Record<string, number>> = { sha1: 64, sha224: 64, sha256: 64, sha384: 128, sha512: 128 };

export interface Pkcs12KeyOptions {
  password: string;
  hash: string;
  salt: Uint8Array;
  iterations: number;
  purpose: (typeof pkcs12Purpose)[keyof typeof pkcs12Purpose];
  length: number;
  /** What is opened, for the message. */
  subject: string;
}

/**
 * PKCS#12's own way from a password to a key (RFC 7292 appendix B.2): for the MAC of every PFX, and for old encryption.
 *
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: no such hash, or more than a million iterations
 */
export async function derivePkcs12Key(options: Pkcs12KeyOptions): Promise<Buffer> {
  const { password, hash, salt, iterations, purpose, length, subject } = options;
  const blockLength = blockLengths[hash];
  if (blockLength === undefined) throw unsupported(subject, `PKCS#12 has no keys from ${hash}`);
  const diversifier = Buffer.alloc(blockLength, purpose);
  const secret = bmpString(password);
  const filled = fill(secret, blockLength);
  let input: Buffer = Buffer.concat([fill(salt, blockLength), filled]);
  const parts: Buffer[] = [];
  const used: Buffer[] = [secret, filled, input];
  try {
    for (let done = 0; done < length;) {
      const first = Buffer.concat([diversifier, input]);
      const part = await hashRepeatedly(first, { hash, iterations, subject });
      parts.push(part);
      done += part.length;
      if (done < length) input = addToBlocks(input, part, blockLength);
      used.push(first, part, input);
    }
    return Buffer.concat(parts, length);
  } finally {
    for (const octets of used) octets.fill(0);
  }
}

/** Big-endian UTF-16 with two octets of zero behind it, for the caller to wipe. */
function bmpString(password: string): Buffer {
  return Buffer.from(`${password}\0`, 'utf16le').swap16();
}

/** Repeated up to a whole number of blocks. */
function fill(octets: Uint8Array, blockLength: number): Buffer {
  const length = Math.ceil(octets.length / blockLength) * blockLength;
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, octets);
}

/** Each block becomes itself plus `part`, repeated, plus 1, as big-endian numbers. */
function addToBlocks(input: Buffer, part: Buffer, blockLength: number): Buffer {
  const addend = fill(part, blockLength);
  const sum = Buffer.from(input);
  for (let start = 0; start < input.length; start += blockLength) {
    let carry = 1;
    for (let at = blockLength - 1; at >= 0; at -= 1) {
      carry += (input[start + at] ?? 0) + (addend[at] ?? 0);
      sum[start + at] = carry & 0xff;
      carry >>= 8;
    }
  }
  return sum;
}
