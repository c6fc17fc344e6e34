/** Content bytes of the RC2 key schedule (RFC 2268 section 2). */
const table = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32' +
    'bd8f40eb86b77b0bf09521225c6b4e8254d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
    '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed708e8eade8052eef784aa72ac354d6a2a' +
    '961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2e' +
    'c5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
);
const blockLength = 8;
const shifts = [1, 2, 3, 5] as const;

/**
 * RC2 in CBC mode with PKCS#7 padding, decryption only: old PFX files are encrypted with it. Node's OpenSSL has it in a
 * provider that isn't loaded.
 *
 * @param key - its length is the effective one
 * @throws {RangeError} wrong length or padding, mostly by a wrong key
 * @see RFC 2268
 */
export function decryptRc2(key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array): Buffer {
  if (encrypted.length === 0 || encrypted.length % blockLength !== 0 || iv.length !== blockLength) {
    throw new RangeError('RC2 works on whole blocks of 8 octets.');
  }
  const words = expandKey(key);
  const plain = Buffer.alloc(encrypted.length);
  for (let at = 0; at < encrypted.length; at += blockLength) {
    const block = decryptBlock(words, encrypted.subarray(at, at + blockLength));
    const before = at === 0 ? iv : encrypted.subarray(at - blockLength, at);
    for (let index = 0; index < blockLength; index += 1) plain[at + index] = (block[index] ?? 0) ^ (before[index] ?? 0);
  }
  words.fill(0);
  return withoutPadding(plain);
}

/** Section 2; a key of T octets has 8 T effective bits here, so that the mask for odd bits is not needed. */
function expandKey(key: Uint8Array): Uint16Array {
  const octets = new Uint8Array(128);
  octets.set(key);
  const at = (index: number): number => octets[index] ?? 0;
  const substitute = (value: number): number => table[value & 0xff] ?? 0;
  const length = key.length;
  for (let index = length; index < 128; index += 1) octets[index] = substitute(at(index - 1) + at(index - length));
  octets[128 - length] = substitute(at(128 - length));
  for (let index = 127 - length; index >= 0; index -= 1) octets[index] = substitute(at(index + 1) ^ at(index + length));
  return Uint16Array.from({ length: 64 }, (_, index) => at(2 * index) | (at(2 * index + 1) << 8));
}

/** Section 4. */
function decryptBlock(words: Uint16Array, block: Uint8Array): Uint8Array {
  const view = new DataView(block.buffer, block.byteOffset, blockLength);
  const r = [0, 2, 4, 6].map((offset) => view.getUint16(offset, true));
  const at = (index: number): number => r[index & 3] ?? 0;
  let next = 63;
  const mix = (): void => {
    for (let i = 3; i >= 0; i -= 1) {
      const shift = shifts[i as 0 | 1 | 2 | 3];
      const turned = (at(i) >>> shift) | (at(i) << (16 - shift));
      r[i] = (turned - (words[next] ?? 0) - (at(i + 3) & at(i + 2)) - (~at(i + 3) & at(i + 1))) & 0xffff;
      next -= 1;
    }
  };
  const mash = (): void => {
    for (let i = 3; i >= 0; i -= 1) r[i] = (at(i) - (words[at(i + 3) & 63] ?? 0)) & 0xffff;
  };
  for (const [index, rounds] of [5, 6, 5].entries()) {
    if (index > 0) mash();
    for (let round = 0; round < rounds; round += 1) mix();
  }
  return Uint8Array.from(r.flatMap((word) => [word & 0xff, word >> 8]));
}

function withoutPadding(plain: Buffer): Buffer {
  const count = plain.at(-1) ?? 0;
  const isRight = count >= 1 && count <= blockLength && plain.subarray(-count).every((octet) => octet === count);
  if (!isRight) {
    plain.fill(0);
    throw new RangeError('The padding is wrong: the key does not fit.');
  }
  return plain.subarray(0, plain.length - count);
}
