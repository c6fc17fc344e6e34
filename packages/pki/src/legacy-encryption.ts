import { decryptCbc } from './encryption.ts';
import { derivePkcs12Key, pkcs12Purpose } from './pkcs12-key.ts';
import { decryptRc2 } from './rc2.ts';
import { decryptRc4 } from './rc4.ts';
import { hashRepeatedly } from './repeated-hash.ts';

/** A way of encrypting with a password from before PBES2: for reading only. */
export interface LegacyScheme {
  name: string;
  /** Of what it is, and why it is weak. */
  weakness: string;
  deriveKey: (source: KeySource) => Promise<CipherKey>;
  decrypt: (key: CipherKey, encrypted: Uint8Array) => Buffer;
}

/** What a key is made of. */
export interface KeySource {
  password: string;
  salt: Uint8Array;
  iterations: number;
  /** What is opened, for the message. */
  subject: string;
}

interface CipherKey {
  key: Buffer;
  iv: Buffer;
}

const guessed = 'under a key from SHA-1: passwords are guessed fast';
const opened = 'which anybody opens without the password';

/** PKCS#12's own schemes (RFC 7292 appendix C), and those of PBES1 (RFC 8018 appendix A.3) but for MD2's. */
export const legacySchemes: Readonly<Record<string, LegacyScheme>> = {
  '1.2.840.113549.1.12.1.1': {
    name: 'RC4-128',
    weakness: `RC4, which is broken, ${guessed}`,
    deriveKey: pkcs12(16),
    decrypt: rc4,
  },
  '1.2.840.113549.1.12.1.2': {
    name: 'RC4-40',
    weakness: `RC4 with 40 bits, ${opened}`,
    deriveKey: pkcs12(5),
    decrypt: rc4,
  },
  '1.2.840.113549.1.12.1.3': {
    name: 'triple DES',
    weakness: `triple DES ${guessed}`,
    deriveKey: pkcs12(24),
    decrypt: tripleDes,
  },
  '1.2.840.113549.1.12.1.4': {
    name: 'triple DES',
    weakness: `triple DES ${guessed}`,
    deriveKey: pkcs12(16),
    decrypt: tripleDes,
  },
  '1.2.840.113549.1.12.1.5': {
    name: 'RC2-128',
    weakness: `RC2, which was given up long ago, ${guessed}`,
    deriveKey: pkcs12(16),
    decrypt: rc2,
  },
  '1.2.840.113549.1.12.1.6': {
    name: 'RC2-40',
    weakness: `RC2 with 40 bits, ${opened}`,
    deriveKey: pkcs12(5),
    decrypt: rc2,
  },
  '1.2.840.113549.1.5.3': pbes1('DES with 56 bits', 'md5', tripleDes),
  '1.2.840.113549.1.5.6': pbes1('RC2 with 64 bits', 'md5', rc2),
  '1.2.840.113549.1.5.10': pbes1('DES with 56 bits', 'sha1', tripleDes),
  '1.2.840.113549.1.5.11': pbes1('RC2 with 64 bits', 'sha1', rc2),
};

/**
 * The caller wipes what it gets.
 *
 * @throws {PkiError} ERR_PKI_ENCRYPTION_UNSUPPORTED: more than a million iterations
 * @throws {Error} where the key doesn't fit
 */
export async function decryptLegacy(
  { deriveKey, decrypt }: LegacyScheme,
  encrypted: Uint8Array,
  source: KeySource,
): Promise<Buffer> {
  const key = await deriveKey(source);
  try {
    return decrypt(key, encrypted);
  } finally {
    key.key.fill(0);
  }
}

/** RC4 has no use for the IV, and is not given one by RFC 7292; making it costs nothing that matters. */
function pkcs12(length: number): LegacyScheme['deriveKey'] {
  return async (source) => {
    const common = { ...source, hash: 'sha1' };
    return {
      key: await derivePkcs12Key({ ...common, purpose: pkcs12Purpose.key, length }),
      iv: await derivePkcs12Key({ ...common, purpose: pkcs12Purpose.iv, length: 8 }),
    };
  };
}

/** RFC 8018 section 6.1: PBKDF1 gives 16 octets, the first half of which is the key, the second the IV. */
function pbes1(cipher: string, hash: string, decrypt: LegacyScheme['decrypt']): LegacyScheme {
  return {
    name: `PBES1 with ${cipher}`,
    weakness: `${cipher}, ${opened}`,
    deriveKey: async ({ password, salt, iterations, subject }) => {
      const secret = Buffer.from(password, 'utf8');
      const first = Buffer.concat([secret, salt]);
      secret.fill(0);
      const derived = await hashRepeatedly(first, { hash, iterations, subject });
      first.fill(0);
      return { key: derived.subarray(0, 8), iv: derived.subarray(8, 16) };
    },
    decrypt,
  };
}

/** With one or two keys in the place of three they come round again: DES itself, and two-key triple DES. */
function tripleDes({ key, iv }: CipherKey, encrypted: Uint8Array): Buffer {
  return decryptCbc('des-ede3-cbc', { key: Buffer.alloc(24, key), iv }, encrypted);
}

function rc2({ key, iv }: CipherKey, encrypted: Uint8Array): Buffer {
  return decryptRc2(key, iv, encrypted);
}

function rc4({ key }: CipherKey, encrypted: Uint8Array): Buffer {
  return decryptRc4(key, encrypted);
}
