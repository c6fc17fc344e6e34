/** RC4, for decryption only: old PFX files are encrypted with it. Node's OpenSSL has it in a provider that isn't loaded. */
export function decryptRc4(key: Uint8Array, encrypted: Uint8Array): Buffer {
  const state = Uint8Array.from({ length: 256 }, (_, index) => index);
  const at = (index: number): number => state[index & 0xff] ?? 0;
  const swap = (one: number, other: number): void => {
    const value = at(one);
    state[one & 0xff] = at(other);
    state[other & 0xff] = value;
  };
  for (let i = 0, j = 0; i < 256; i += 1) {
    j = (j + at(i) + (key[i % key.length] ?? 0)) & 0xff;
    swap(i, j);
  }
  const plain = Buffer.alloc(encrypted.length);
  for (let index = 0, j = 0; index < encrypted.length; index += 1) {
    j = (j + at(index + 1)) & 0xff;
    swap(index + 1, j);
    plain[index] = (encrypted[index] ?? 0) ^ at(at(index + 1) + at(j));
  }
  state.fill(0);
  return plain;
}
