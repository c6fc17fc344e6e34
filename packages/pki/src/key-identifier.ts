import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { SubjectKeyIdentifierExtension, type X509Certificate } from './engine.ts';

/**
 * SHA-1 over the key's bit string (RFC 5280 section 4.2.1.2, method 1): a name for the key, not a protection.
 *
 * @returns lower-case hexadecimal
 */
export function keyIdentifier(publicKeyDer: Uint8Array): string {
  const { subjectPublicKey } = AsnConvert.parse(publicKeyDer, SubjectPublicKeyInfo);
  return createHash('sha1').update(new Uint8Array(subjectPublicKey)).digest('hex');
}

/**
 * What an authority's key is called in all that it signs (RFC 5280 section 4.2.1.1): as its certificate calls it, or by
 * method 1 where an authority made elsewhere has no key identifier.
 */
export function authorityKeyIdentifier(authority: X509Certificate): string {
  const own = authority.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return own?.toLowerCase() ?? keyIdentifier(new Uint8Array(authority.publicKey.rawData));
}
