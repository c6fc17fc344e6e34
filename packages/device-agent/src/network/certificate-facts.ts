import type { X509Certificate } from 'node:crypto';

/** What a person needs to know of a certificate that a failure is about. Names are one line each, as `CN=..., O=...`. */
export interface CertificateFacts {
  /** Whether the device or the other side showed it. */
  readonly whose: 'device' | 'server';
  readonly subject: string;
  readonly issuer: string;
  /** ISO 8601, UTC. */
  readonly notBefore: string;
  /** ISO 8601, UTC. */
  readonly notAfter: string;
  /** 64 upper-case hex digits. */
  readonly thumbprintSha256: string;
}

export function certificateFacts(whose: CertificateFacts['whose'], certificate: X509Certificate): CertificateFacts {
  return {
    whose,
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
    thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''),
  };
}

/** A distinguished name as Node prints it, on one line. */
export function oneLine(distinguishedName: string): string {
  return distinguishedName.split('\n').join(', ');
}
