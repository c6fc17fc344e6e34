import {
  AuthorityKeyIdentifierExtension,
  engine,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  type CryptoKey,
  type Extension,
  type Name,
  type PublicKey,
  type X509Certificate,
} from './engine.ts';
import { signingAlgorithm, type KeyAlgorithm } from './key-algorithm.ts';
import type { Validity } from './validity.ts';

/** Who signs. `certificate` is undefined while a root signs itself. */
export interface Signer {
  certificate: X509Certificate | undefined;
  privateKey: CryptoKey;
  keyAlgorithm: KeyAlgorithm;
}

export interface CertificateContent {
  subject: Name;
  publicKey: CryptoKey | PublicKey;
  validity: Validity;
  /** What the profile adds to the two key identifiers. */
  extensions: readonly Extension[];
}

/**
 * The one place where an authority's key signs.
 *
 * The serial number has 128 random bits from the engine (RFC 5280 section 4.1.2.2: positive, at most 20 octets); dates
 * are UTCTime up to 2049 and GeneralizedTime from then on; the issuer's name is copied byte for byte.
 */
export async function signCertificate(signer: Signer, content: CertificateContent): Promise<X509Certificate> {
  const { subject, publicKey, validity, extensions } = content;
  const subjectKey = await SubjectKeyIdentifierExtension.create(publicKey, false, engine);
  const authorityKeyId = signer.certificate?.getExtension(SubjectKeyIdentifierExtension)?.keyId ?? subjectKey.keyId;
  return X509CertificateGenerator.create(
    {
      subject,
      issuer: signer.certificate?.subjectName ?? subject,
      publicKey,
      ...validity,
      extensions: [...extensions, subjectKey, new AuthorityKeyIdentifierExtension(authorityKeyId)],
      signingKey: signer.privateKey,
      signingAlgorithm: signingAlgorithm(signer.keyAlgorithm),
    },
    engine,
  );
}
