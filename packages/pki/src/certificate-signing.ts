import { AsnConvert } from '@peculiar/asn1-schema';
import {
  Certificate,
  Extension as ExtensionSchema,
  Extensions,
  Name as NameSchema,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity as ValiditySchema,
  Version,
} from '@peculiar/asn1-x509';
import {
  AuthorityKeyIdentifierExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  type Extension,
  type Name,
} from './engine.ts';
import { signatureAlgorithm } from './key-algorithm.ts';
import { authorityKeyIdentifier, keyIdentifier } from './key-identifier.ts';
import { createSerialNumber } from './serial-number.ts';
import type { SigningKey } from './signing-key.ts';
import { checkPublicKey } from './subject-public-key.ts';
import type { Validity } from './validity.ts';

/** Who signs. `certificate` is undefined while a root signs itself. */
export interface Signer {
  certificate: X509Certificate | undefined;
  key: SigningKey;
}

export interface CertificateContent {
  subject: Name;
  /** SubjectPublicKeyInfo, DER. */
  publicKeyDer: Uint8Array;
  validity: Validity;
  /** Default: SHA-1 of the key; another one where the key is certified already. */
  subjectKeyId?: string;
  /** What the profile adds to the two key identifiers. */
  extensions: readonly Extension[];
}

/**
 * The one place where an authority's key signs a certificate.
 *
 * What is signed is put together here and handed to the key's custody; dates are UTCTime up to 2049 and GeneralizedTime
 * from then on (RFC 5280 section 4.1.2.5); the issuer's name and the certified key are copied byte for byte.
 *
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM: see checkPublicKey
 */
export async function signCertificate(signer: Signer, content: CertificateContent): Promise<X509Certificate> {
  const { subject, publicKeyDer, validity, extensions } = content;
  checkPublicKey(publicKeyDer, `"${subject.toString()}"`);
  const subjectKeyId = content.subjectKeyId ?? keyIdentifier(publicKeyDer);
  const issuerKeyId = signer.certificate ? authorityKeyIdentifier(signer.certificate) : subjectKeyId;
  const algorithm = signatureAlgorithm(signer.key.keyAlgorithm);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: createSerialNumber(validity.notBefore).buffer,
    signature: algorithm,
    issuer: nameSchema(signer.certificate?.subjectName ?? subject),
    validity: new ValiditySchema(validity),
    subject: nameSchema(subject),
    subjectPublicKeyInfo: AsnConvert.parse(publicKeyDer, SubjectPublicKeyInfo),
    extensions: extensionsSchema([
      ...extensions,
      new SubjectKeyIdentifierExtension(subjectKeyId, false),
      new AuthorityKeyIdentifierExtension(issuerKeyId),
    ]),
  });
  const signature = await signer.key.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate)));
  const signatureValue = Uint8Array.from(signature).buffer;
  return new X509Certificate(
    AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm: algorithm, signatureValue })),
  );
}

/** A name of @peculiar/x509 in the form in which it becomes part of something that is signed. */
export function nameSchema(name: Name): NameSchema {
  return AsnConvert.parse(name.toArrayBuffer(), NameSchema);
}

function extensionsSchema(extensions: readonly Extension[]): Extensions {
  return new Extensions(extensions.map(({ rawData }) => AsnConvert.parse(rawData, ExtensionSchema)));
}
