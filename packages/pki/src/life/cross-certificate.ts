import { signerOf, type CertificateAuthority } from '../authority.ts';
import { describeCertificate, parseCertificates, type CertificateDetails } from '../certificate.ts';
import { signCertificate } from '../certificate-signing.ts';
import { isAuthority } from '../chain-layout.ts';
import { isSameName } from '../distinguished-name.ts';
import { BasicConstraintsExtension, SubjectKeyIdentifierExtension, type X509Certificate } from '../engine.ts';
import { PkiError } from '../errors.ts';
import { authorityExtensions } from '../profile.ts';
import { planValidity } from '../validity.ts';

/** What createCrossCertificate takes. */
export interface CrossCertificateOptions {
  /** The authority that gets one more certificate: its own, PEM. Its key is not needed. */
  certificatePem: string;
  /** Default 3650. Cut to the issuer's validity, and to that of `certificatePem`. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/** One more certificate of an authority. */
export interface CrossCertificate extends CertificateDetails {
  /** It and its issuers: what follows a line's or device's certificate for those who trust the issuer. */
  chainPem: string;
}

/**
 * Certifies another authority's name and key, so that what is below that authority verifies for those who trust `issuer`.
 *
 * For the roll-over of a root: give the new root the old one's common name; the old root certifies the new one and the
 * other way round (RFC 4210 section 4.4). Such a certificate is self-issued and doesn't count for path lengths; under another
 * name it would be one authority more than a root of path length 1 allows. The same for a line: the new root certifies the
 * old line's key, and the devices of that line verify below both roots.
 *
 * @throws {PkiError} ERR_PKI_PATH_LENGTH: the issuer may not have such an authority below it
 * @throws {PkiError} ERR_PKI_KEY_ALGORITHM: its key is of another kind or form than we certify
 * @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY, ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID
 */
export async function createCrossCertificate(
  issuer: CertificateAuthority,
  options: CrossCertificateOptions,
): Promise<CrossCertificate> {
  const { validityDays = 3650, now } = options;
  const [subject] = parseCertificates(options.certificatePem);
  if (!isAuthority(subject)) {
    throw new PkiError(
      'ERR_PKI_NOT_AN_AUTHORITY',
      `Certificate "${subject.subject}" is not a certificate authority's: only authorities are certified across.`,
    );
  }
  const signer = signerOf(issuer);
  const validity = planValidity({ validityDays, now, issuer: signer.certificate });
  const ownKeyId = subject.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  const certificate = await signCertificate(signer, {
    subject: subject.subjectName,
    publicKeyDer: new Uint8Array(subject.publicKey.rawData),
    validity: {
      notBefore: validity.notBefore,
      notAfter: new Date(Math.min(validity.notAfter.getTime(), subject.notAfter.getTime())),
    },
    extensions: authorityExtensions(pathLengthBelow(issuer, subject)),
    ...(ownKeyId !== undefined && { subjectKeyId: ownKeyId.toLowerCase() }),
  });
  const details = describeCertificate(certificate);
  return { ...details, chainPem: details.certificatePem + issuer.chainPem };
}

function pathLengthBelow(issuer: CertificateAuthority, subject: X509Certificate): number | undefined {
  const own = subject.getExtension(BasicConstraintsExtension)?.pathLength;
  if (issuer.pathLength === undefined) return own;
  const isSelfIssued = isSameName(signerOf(issuer).certificate.subjectName, subject.subjectName);
  const most = issuer.pathLength - (isSelfIssued ? 0 : 1);
  if (most >= 0) return Math.min(own ?? most, most);
  throw new PkiError(
    'ERR_PKI_PATH_LENGTH',
    `Authority "${issuer.subject}" has path length 0 and may not have "${subject.subject}" below it: let its root certify it.`,
  );
}
