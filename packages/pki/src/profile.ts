import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Extension,
} from './engine.ts';

/**
 * RFC 5280 sections 4.2.1.3 and 4.2.1.9: both extensions are critical in a certificate that signs others.
 *
 * @param pathLength - undefined: no limit, for a certificate of an authority that has none already
 */
export function authorityExtensions(pathLength: number | undefined): Extension[] {
  return [
    new BasicConstraintsExtension(true, pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
  ];
}

/**
 * A TLS client and nothing else. RSA keys get no keyEncipherment: in a handshake the client's key only signs, whatever
 * the cipher suite.
 */
export function deviceExtensions(): Extension[] {
  return [...endEntityExtensions(), new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])];
}

/** Proof of possession: read once by DPS, of no use in a handshake. */
export function endEntityExtensions(): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  ];
}
