import type { CertificateSummary } from './certificate.ts';
import { asRecord, readRecord, readText } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';

/** What DPS tells of a certificate in an enrollment; the certificate itself is not read back. */
export interface CertificateInfo {
  /** `CN=...` */
  readonly subjectName: string;
  readonly issuerName: string;
  /** Hex, upper case. */
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
  /** ISO 8601. */
  readonly notAfter: string;
}

/** How devices of an enrollment prove who they are. */
export type StoredAttestation =
  | {
      readonly type: 'x509';
      readonly primary: CertificateInfo | undefined;
      readonly secondary: CertificateInfo | undefined;
    }
  /** Names of CA certificates that were uploaded to the instance. */
  | { readonly type: 'x509-ca-reference'; readonly primary: string; readonly secondary: string | undefined }
  | { readonly type: 'symmetricKey' | 'tpm' | 'none' };

export function readAttestation(document: JsonRecord): StoredAttestation {
  const attestation = readRecord(document.attestation);
  if (attestation.type === 'symmetricKey' || attestation.type === 'tpm') return { type: attestation.type };
  if (attestation.type !== 'x509') return { type: 'none' };
  const x509 = readRecord(attestation.x509);
  const references = asRecord(x509.caReferences);
  const primary = readText(references?.primary);
  if (primary !== undefined) return { type: 'x509-ca-reference', primary, secondary: readText(references?.secondary) };
  const certificates = readRecord(x509.signingCertificates ?? x509.clientCertificates);
  return { type: 'x509', primary: readInfo(certificates.primary), secondary: readInfo(certificates.secondary) };
}

/** The wire form: base64 of the DER, as Microsoft's C# client sends it. */
export function certificateEntry({ der }: CertificateSummary): JsonRecord {
  return { certificate: Buffer.from(der).toString('base64') };
}

function isSameCertificate(info: CertificateInfo | undefined, certificate: CertificateSummary): boolean {
  return info?.thumbprintSha256 === certificate.thumbprintSha256 || info?.thumbprintSha1 === certificate.thumbprintSha1;
}

/** What an enrollment group shall have; undefined stays as it is, null is taken out. */
export interface SigningCertificates {
  readonly primary: CertificateSummary | undefined;
  readonly secondary: CertificateSummary | null | undefined;
}

/** Whether a group has these certificates already. */
export function isAttestedBy(stored: StoredAttestation, { primary, secondary }: SigningCertificates): boolean {
  if (primary === undefined && secondary === undefined) return true;
  if (stored.type !== 'x509') return false;
  const isPrimary = primary === undefined || isSameCertificate(stored.primary, primary);
  const isSecondary = secondary ? isSameCertificate(stored.secondary, secondary) : stored.secondary === undefined;
  return isPrimary && (secondary === undefined || isSecondary);
}

/**
 * The attestation of a group with these certificates. One that is there and stays is sent back as DPS showed it, without the
 * certificate, which DPS does not show. A secondary that becomes the primary is not kept twice.
 */
export function withSigningCertificates(attestation: unknown, wanted: SigningCertificates): JsonRecord {
  const stored = readRecord(readRecord(readRecord(attestation).x509).signingCertificates);
  const primary = wanted.primary === undefined ? stored.primary : certificateEntry(wanted.primary);
  const isPromoted = wanted.primary !== undefined && isSameCertificate(readInfo(stored.secondary), wanted.primary);
  const kept = isPromoted ? undefined : stored.secondary;
  const secondary = wanted.secondary === undefined ? kept : wanted.secondary && certificateEntry(wanted.secondary);
  const isThere = secondary !== undefined && secondary !== null;
  return { type: 'x509', x509: { signingCertificates: { primary, ...(isThere && { secondary }) } } };
}

/** `Contoso Line A` of `CN=Contoso Line A, O=Contoso`. */
export function commonNameOf(distinguishedName: string): string {
  return /(?:^|[,;]\s*)CN=("[^"]*"|[^,;]*)/i.exec(distinguishedName)?.[1]?.replaceAll('"', '').trim() ?? '';
}

function readInfo(value: unknown): CertificateInfo | undefined {
  const info = asRecord(readRecord(value).info);
  if (info === undefined) return undefined;
  return {
    subjectName: readText(info.subjectName) ?? '',
    issuerName: readText(info.issuerName) ?? '',
    thumbprintSha1: (readText(info.sha1Thumbprint) ?? '').toUpperCase(),
    thumbprintSha256: (readText(info.sha256Thumbprint) ?? '').toUpperCase(),
    notAfter: readText(info.notAfterUtc) ?? '',
  };
}
