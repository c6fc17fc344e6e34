import 'reflect-metadata';
import { createHash, X509Certificate as OpensslCertificate } from 'node:crypto';
import { BasicConstraintsExtension, X509Certificate } from '@peculiar/x509';
import { BoundedCache } from './bounded-cache.ts';

/** A certificate that a device or an operator handed in, read once. */
export interface Certificate {
  readonly der: Uint8Array;
  /** RFC 4514 text, for example `CN=Contoso Root`. */
  readonly subject: string;
  readonly issuer: string;
  /** The first common name of the subject; undefined where it has none. */
  readonly commonName: string | undefined;
  /** Unix milliseconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Upper-case hexadecimal. */
  readonly serialNumber: string;
  readonly thumbprintSha1: string;
  readonly thumbprintSha256: string;
  /** RFC 5280 section 4.2.1.9: whether it may issue certificates. */
  readonly isAuthority: boolean;
  /** How many intermediates may follow below it; undefined where it sets no limit. */
  readonly pathLength: number | undefined;
}

type Details = Pick<Certificate, 'subject' | 'issuer' | 'commonName' | 'serialNumber' | 'isAuthority' | 'pathLength'>;

/** OpenSSL reads what every device's certificate is asked for; the rest is read when somebody asks. */
class ReadCertificate implements Certificate {
  readonly der: Uint8Array;
  readonly thumbprintSha256: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly openssl: OpensslCertificate;
  #details: Details | undefined;

  constructor(der: Uint8Array, thumbprintSha256: string) {
    this.openssl = new OpensslCertificate(der);
    this.der = new Uint8Array(this.openssl.raw);
    this.thumbprintSha256 = thumbprintSha256;
    this.notBeforeMs = Date.parse(this.openssl.validFrom);
    this.notAfterMs = Date.parse(this.openssl.validTo);
    // OpenSSL passes over what follows, and would take PEM.
    if (this.der.length !== der.length || Number.isNaN(this.notBeforeMs) || Number.isNaN(this.notAfterMs)) {
      throw new RangeError('more than one certificate, or times that are none');
    }
  }

  get thumbprintSha1(): string {
    return thumbprint('sha1', this.der);
  }

  get commonName(): string | undefined {
    // What nearly every device has: one name, without a character that has to be escaped.
    const [, plain] = /^CN=([^\n\\+]*)$/.exec(this.openssl.subject) ?? [];
    return plain ?? this.details.commonName;
  }

  get subject(): string {
    return this.details.subject;
  }

  get issuer(): string {
    return this.details.issuer;
  }

  get serialNumber(): string {
    return this.details.serialNumber;
  }

  get isAuthority(): boolean {
    return this.details.isAuthority;
  }

  get pathLength(): number | undefined {
    return this.details.pathLength;
  }

  get details(): Details {
    return (this.#details ??= readDetails(this));
  }
}

/**
 * By the bytes of certificates, so that nothing is taken on trust: a device shows its chain with every request, and a
 * fleet shares all of it but the leaves. Whether a certificate is in its time is judged anew each time.
 */
const read = new BoundedCache<ReadCertificate>(4096);
const issued = new BoundedCache<boolean>(8192);

/** @throws {SyntaxError} the bytes are not one DER certificate */
export function readCertificate(der: Uint8Array): Certificate {
  const thumbprintSha256 = thumbprint('sha256', der);
  return read.get(thumbprintSha256, () => {
    try {
      return new ReadCertificate(der, thumbprintSha256);
    } catch (cause) {
      throw new SyntaxError('The bytes are not an X.509 certificate in DER.', { cause });
    }
  });
}

/**
 * Reads what operators upload: PEM, base64 of DER, or base64 of PEM text (all three are sent by Microsoft's clients).
 *
 * @throws {SyntaxError} none of the three
 */
export function readUploadedCertificate(text: string): Certificate {
  const pem = firstPemBlock(text) ?? firstPemBlock(Buffer.from(text, 'base64').toString('latin1'));
  return readCertificate(Buffer.from(pem ?? text, 'base64'));
}

function firstPemBlock(text: string): string | undefined {
  return /-----BEGIN CERTIFICATE-----([\s\S]+?)-----END CERTIFICATE-----/.exec(text)?.[1];
}

/** What @peculiar/x509 can't read has no names and issues nothing. */
function readDetails({ der, openssl }: ReadCertificate): Details {
  try {
    const certificate = new X509Certificate(der);
    const constraints = certificate.getExtension(BasicConstraintsExtension);
    return {
      subject: certificate.subject,
      issuer: certificate.issuer,
      commonName: certificate.subjectName.getField('CN')[0],
      serialNumber: certificate.serialNumber.toUpperCase(),
      isAuthority: constraints?.ca ?? false,
      pathLength: constraints?.pathLength,
    };
  } catch {
    const { subject, issuer, serialNumber } = openssl;
    const oneLine = (name: string): string => name.replaceAll('\n', ', ');
    return {
      ...{ subject: oneLine(subject), issuer: oneLine(issuer), serialNumber },
      ...{ commonName: undefined, isAuthority: false, pathLength: undefined },
    };
  }
}

/** True where `issuer`'s name is `certificate`'s issuer and its key made the signature. Validity is not looked at. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  return issued.get(`${certificate.thumbprintSha256} ${issuer.thumbprintSha256}`, () =>
    checkIssuedBy(opensslOf(certificate), opensslOf(issuer)),
  );
}

function checkIssuedBy(certificate: OpensslCertificate, issuer: OpensslCertificate): boolean {
  // RFC 5280 section 7.1: the same name, however its text is encoded.
  if (certificate.issuer !== issuer.subject) return false;
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    // A key or an algorithm that OpenSSL doesn't know can't have made a signature that we accept.
    return false;
  }
}

function opensslOf(certificate: Certificate): OpensslCertificate {
  if (certificate instanceof ReadCertificate) return certificate.openssl;
  throw new TypeError('certificate: expected one that readCertificate returned');
}

/** True where nobody else vouches for it. */
export function isSelfSigned(certificate: Certificate): boolean {
  return isIssuedBy(certificate, certificate);
}

/** The same certificate, byte for byte. */
export function isSameCertificate(a: Certificate, b: Certificate): boolean {
  return a.thumbprintSha256 === b.thumbprintSha256;
}

function thumbprint(algorithm: 'sha1' | 'sha256', der: Uint8Array): string {
  return createHash(algorithm).update(der).digest('hex').toUpperCase();
}
