import { X509Certificate } from 'node:crypto';
import { DpsAdminError } from './errors.ts';

/** A certificate as DPS sees it. */
export interface CertificateSummary {
  /** Subject's common name; empty where it has none. */
  readonly commonName: string;
  readonly issuerCommonName: string;
  /** 40 hex digits, upper case, of the DER (what DPS shows). */
  readonly thumbprintSha1: string;
  /** 64 hex digits, upper case, of the DER. */
  readonly thumbprintSha256: string;
  readonly der: Uint8Array;
  readonly isAuthority: boolean;
  readonly notAfter: Date;
}

/**
 * Reads the first certificate of a PEM text, or a DER certificate.
 *
 * @param title - how errors name it: `root certificate`
 * @throws {DpsAdminError} ERR_CERTIFICATE_INVALID
 */
export function readCertificate(certificate: string | Uint8Array, title: string): CertificateSummary {
  if (typeof certificate !== 'string' && !(certificate instanceof Uint8Array)) {
    throw new TypeError(`The ${title} has to be PEM text or DER bytes.`);
  }
  let read: X509Certificate;
  try {
    read = new X509Certificate(certificate);
  } catch (cause) {
    throw invalid(`The ${title} cannot be read: expected a PEM or DER certificate.`, cause);
  }
  return {
    commonName: commonName(read.subject),
    issuerCommonName: commonName(read.issuer),
    thumbprintSha1: read.fingerprint.replaceAll(':', ''),
    thumbprintSha256: read.fingerprint256.replaceAll(':', ''),
    der: read.raw,
    isAuthority: read.ca,
    notAfter: new Date(read.validTo),
  };
}

/**
 * Reads a certificate that DPS shall trust to sign others.
 *
 * @throws {DpsAdminError} ERR_CERTIFICATE_INVALID: unreadable, not a CA by its basicConstraints (RFC 5280 section 4.2.1.9), or expired
 */
export function readAuthority(certificate: string | Uint8Array, title: string, now: Date): CertificateSummary {
  const read = readCertificate(certificate, title);
  if (!read.isAuthority) {
    throw invalid(
      `The ${title} '${read.commonName}' is not a CA certificate (basicConstraints CA:TRUE is missing). Give the certificate of the authority, not of a device.`,
    );
  }
  if (read.notAfter.getTime() <= now.getTime()) {
    throw invalid(
      `The ${title} '${read.commonName}' expired at ${read.notAfter.toISOString()}: DPS would refuse every device below it. Issue a new one.`,
    );
  }
  return read;
}

/** From OpenSSL's one-line-an-attribute form, as node:crypto prints names. */
function commonName(name: string): string {
  const line = name.split('\n').find((attribute) => attribute.startsWith('CN='));
  return line?.slice(3) ?? '';
}

function invalid(message: string, cause?: unknown): DpsAdminError {
  return new DpsAdminError('ERR_CERTIFICATE_INVALID', message, { advice: 'fix-input', cause });
}
