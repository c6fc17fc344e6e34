import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';

/**
 * SHA-1 over the key's bit string (RFC 5280 section 4.2.1.2, method 1): a name for the key, not a protection.
 *
 * @returns lower-case hexadecimal
 */
export function keyIdentifier(publicKeyDer: Uint8Array): string {
  const { subjectPublicKey } = AsnConvert.parse(publicKeyDer, SubjectPublicKeyInfo);
  return createHash('sha1').update(new Uint8Array(subjectPublicKey)).digest('hex');
}
