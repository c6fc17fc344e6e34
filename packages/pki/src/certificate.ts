import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate } from '@peculiar/asn1-x509';
import { readCommonName } from './distinguished-name.ts';
import { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { decodePem, encodePem } from './pem.ts';

/** SHA-1 and SHA-256 over a certificate's DER, as upper-case hexadecimal without separators: the way Azure shows them. */
export interface Thumbprints {
  thumbprintSha1: string;
  thumbprintSha256: string;
}

/** What a certificate says of itself. */
export interface CertificateDetails extends Thumbprints {
  /** One PEM block, ending in a newline. */
  certificatePem: string;
  /** Name as text, for example `CN=thermostat-1`. */
  subject: string;
  /** Undefined where the subject has no common name, or several. */
  commonName: string | undefined;
  issuer: string;
  /** Lower-case hexadecimal. */
  serialNumber: string;
  notBefore: Date;
  notAfter: Date;
}

/**
 * Reads every certificate of a PEM text, in its order. Other blocks and text around them are passed over.
 *
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE: none there, or one isn't X.509
 */
export function readCertificates(pem: string): CertificateDetails[] {
  return parseCertificates(pem).map(describeCertificate);
}

/**
 * Thumbprints of one certificate: PEM (the first certificate in it) or DER.
 *
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE
 */
export function thumbprints(certificate: string | Uint8Array): Thumbprints {
  const [first] = typeof certificate === 'string' ? parseCertificates(certificate) : [parseCertificate(certificate)];
  return thumbprintsOf(first);
}

/** As readCertificates, for use inside: at least one. */
export function parseCertificates(pem: string): [X509Certificate, ...X509Certificate[]] {
  if (typeof pem !== 'string') throw new TypeError('The certificates must be a PEM string.');
  const [first, ...more] = decodePem(pem).filter(({ label }) => label === 'CERTIFICATE');
  if (!first || pem.split('-----BEGIN CERTIFICATE-----').length !== more.length + 2) {
    throw new PkiError(
      'ERR_PKI_CERTIFICATE_UNREADABLE',
      first
        ? 'A certificate in the PEM text is cut off or damaged: get the text from its source again.'
        : 'The text holds no certificate: expected PEM with a line "-----BEGIN CERTIFICATE-----".',
    );
  }
  return [parseCertificate(first.der, 0), ...more.map(({ der }, index) => parseCertificate(der, index + 1))];
}

/** @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE */
export function parseCertificate(der: Uint8Array, index = 0): X509Certificate {
  if (!(der instanceof Uint8Array)) throw new TypeError('The certificate must be a PEM string or a Uint8Array of DER.');
  try {
    const certificate = new X509Certificate(der);
    // Extensions are decoded when they are first asked for; a broken one has to show itself here.
    certificate.getExtensions('');
    return certificate;
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_CERTIFICATE_UNREADABLE',
      `Certificate ${index + 1} is not a readable X.509 certificate: get it from its source again.`,
      { cause },
    );
  }
}

export function describeCertificate(certificate: X509Certificate): CertificateDetails {
  return {
    certificatePem: certificateToPem(certificate),
    subject: certificate.subject,
    commonName: readCommonName(certificate.subjectName),
    issuer: certificate.issuer,
    serialNumber: certificate.serialNumber,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    ...thumbprintsOf(certificate),
  };
}

export function chainToPem(certificates: readonly X509Certificate[]): string {
  return certificates.map(certificateToPem).join('');
}

/**
 * Node's own form of the certified key: comparable, and it names its kind.
 *
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE: no key, or of a kind that Node doesn't know
 */
export function publicKeyOf({ publicKey, subject }: X509Certificate): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(publicKey.rawData), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new PkiError(
      'ERR_PKI_CERTIFICATE_UNREADABLE',
      `The key in certificate "${subject}" is not readable: get the certificate from its source again.`,
      { cause },
    );
  }
}

/** The certificate in ASN.1's terms, for what the class doesn't show. */
export function certificateSchema(certificate: X509Certificate): Certificate {
  return AsnConvert.parse(certificate.rawData, Certificate);
}

function certificateToPem(certificate: X509Certificate): string {
  return encodePem('CERTIFICATE', certificate.rawData);
}

function thumbprintsOf(certificate: X509Certificate): Thumbprints {
  const der = new Uint8Array(certificate.rawData);
  const hash = (name: string): string => createHash(name).update(der).digest('hex').toUpperCase();
  return { thumbprintSha1: hash('sha1'), thumbprintSha256: hash('sha256') };
}
