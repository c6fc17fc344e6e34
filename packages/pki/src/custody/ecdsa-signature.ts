import { Integer, Sequence } from 'asn1js';

/**
 * Ecdsa-Sig-Value (RFC 3279 section 2.2.3) of what tokens and vaults give: r and s, each as long as the curve's order.
 *
 * @returns DER
 */
export function ecdsaSignatureToDer(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  const value = [raw.subarray(0, half), raw.subarray(half)].map(positiveInteger);
  return new Uint8Array(new Sequence({ value }).toBER());
}

/** Shortest form: no leading zero octets but the one that keeps a high first bit from meaning "negative". */
function positiveInteger(bytes: Uint8Array): Integer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start === -1 ? Uint8Array.of(0) : bytes.subarray(start);
  const isHigh = (digits[0] ?? 0) >= 0x80;
  return new Integer({ valueHex: Uint8Array.from(isHigh ? [0, ...digits] : digits).buffer });
}
