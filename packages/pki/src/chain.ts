import { X509Certificate as NodeCertificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { AuthorityKeyIdentifier } from '@peculiar/asn1-x509';
import { certificateSchema, publicKeyOf } from './certificate.ts';
import { isSameName } from './distinguished-name.ts';
import {
  AuthorityKeyIdentifierExtension,
  Name,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
} from './engine.ts';

type Path = [X509Certificate, ...X509Certificate[]];

/** What the verifier knows; by it one of several issuers of the same name and key is chosen. */
interface Verifier {
  isTrusted: (certificate: X509Certificate) => boolean;
  now: Date | undefined;
}

/**
 * Puts certificates in order: `leaf`, then each one's issuer out of `pool`, up to a trusted or a self-signed certificate.
 * What doesn't belong to this path is left out.
 *
 * Of several issuers (cross-certificates) a trusted one is taken, then one that is valid now, then the first: as OpenSSL
 * does, without trying others when that leads nowhere.
 */
export function buildPath(
  leaf: X509Certificate,
  pool: readonly X509Certificate[],
  verifier: Verifier = { isTrusted: () => false, now: undefined },
): Path {
  const path: Path = [leaf];
  for (let last = leaf; !verifier.isTrusted(last) && !isSelfSigned(last);) {
    const rest = pool.filter((candidate) => !path.some((used) => isSameCertificate(used, candidate)));
    const issuer = findIssuer(last, rest, verifier);
    if (!issuer) break;
    path.push(issuer);
    last = issuer;
  }
  return path;
}

const verified = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>();

/** Whether the issuer's key made the signature; false too where the kind of signature is unknown. */
export function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const known = verified.get(certificate) ?? new WeakMap<X509Certificate, boolean>();
  verified.set(certificate, known);
  let result = known.get(issuer);
  if (result === undefined) {
    result = verifySignature(certificate, issuer);
    known.set(issuer, result);
  }
  return result;
}

/** Octet for octet. */
export function isSameCertificate(one: X509Certificate, other: X509Certificate): boolean {
  return one.equal(other);
}

/** Subject and issuer are the same name (RFC 5280 section 3.2). */
export function isSelfIssued(certificate: X509Certificate): boolean {
  return isSameName(certificate.subjectName, certificate.issuerName);
}

/** Self-issued, and by its own key as far as it says: a certificate that rolls a root over is not. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return isSelfIssued(certificate) && namesIssuer(certificate, certificate);
}

/**
 * Whether the authority key identifier, where there is one, means this issuer: its key, and its certificate where that is named
 * by issuer and serial number (RFC 5280 section 4.2.1.1). Of several names of the issuer the first directory name counts, as
 * to OpenSSL.
 */
export function namesIssuer(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const extension = certificate.getExtension(AuthorityKeyIdentifierExtension);
  if (!extension) return true;
  const { authorityCertIssuer, authorityCertSerialNumber } = AsnConvert.parse(extension.value, AuthorityKeyIdentifier);
  const keyId = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  const name = authorityCertIssuer?.find(({ directoryName }) => directoryName)?.directoryName;
  return (
    (!extension.keyId || !keyId || extension.keyId.toLowerCase() === keyId.toLowerCase()) &&
    (!authorityCertSerialNumber || isSerialNumberOf(issuer, authorityCertSerialNumber)) &&
    (!name || isSameName(new Name(AsnConvert.serialize(name)), issuer.issuerName))
  );
}

function isSerialNumberOf(certificate: X509Certificate, serialNumber: ArrayBuffer): boolean {
  const own = certificateSchema(certificate).tbsCertificate.serialNumber;
  return Buffer.from(own).equals(Buffer.from(serialNumber));
}

/** Node checks with OpenSSL, which knows every algorithm that a chain can have. */
function verifySignature(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return new NodeCertificate(new Uint8Array(certificate.rawData)).verify(publicKeyOf(issuer));
  } catch {
    return false;
  }
}

/** One whose key signed; else one that at least claims to have, so that it can be named. */
function findIssuer(
  certificate: X509Certificate,
  pool: readonly X509Certificate[],
  { isTrusted, now }: Verifier,
): X509Certificate | undefined {
  const named = pool.filter((candidate) => isSameName(candidate.subjectName, certificate.issuerName));
  const isValidNow = ({ notBefore, notAfter }: X509Certificate): boolean =>
    !now || (now >= notBefore && now <= notAfter);
  const rank = (candidate: X509Certificate): number =>
    (isSignedBy(certificate, candidate) ? 0 : 8) +
    (namesIssuer(certificate, candidate) ? 0 : 4) +
    (isTrusted(candidate) ? 0 : 2) +
    (isValidNow(candidate) ? 0 : 1);
  return named.sort((one, other) => rank(one) - rank(other))[0];
}
