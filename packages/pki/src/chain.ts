import {
  AuthorityKeyIdentifierExtension,
  engine,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
} from './engine.ts';

/**
 * Puts certificates in order: `leaf`, then each one's issuer out of `pool` while there is one, up to a self-issued
 * certificate. What doesn't belong to this path is left out.
 */
export async function buildPath(
  leaf: X509Certificate,
  pool: readonly X509Certificate[],
): Promise<[X509Certificate, ...X509Certificate[]]> {
  const path: [X509Certificate, ...X509Certificate[]] = [leaf];
  for (let last = leaf; !isSelfIssued(last);) {
    const issuer = await findIssuer(
      last,
      pool.filter((candidate) => !path.some((used) => used.equal(candidate))),
    );
    if (!issuer) break;
    path.push(issuer);
    last = issuer;
  }
  return path;
}

/** Whether the issuer's key made the signature; false too where the kind of signature is unknown. */
export async function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): Promise<boolean> {
  try {
    return await certificate.verify({ publicKey: issuer, signatureOnly: true }, engine);
  } catch {
    return false;
  }
}

/** Subject and issuer are the same name (RFC 5280 section 3.2). */
export function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer;
}

/** Of several with the right name the one whose key signed; else one that at least claims to, so that it can be named. */
async function findIssuer(
  certificate: X509Certificate,
  pool: readonly X509Certificate[],
): Promise<X509Certificate | undefined> {
  const candidates = pool.filter((candidate) => candidate.subject === certificate.issuer);
  for (const candidate of candidates) {
    if (await isSignedBy(certificate, candidate)) return candidate;
  }
  const wanted = certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  return (
    candidates.find((candidate) => candidate.getExtension(SubjectKeyIdentifierExtension)?.keyId === wanted) ??
    candidates[0]
  );
}
