import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
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

const parsed = new WeakMap<Certificate, X509Certificate>();

/**
 * By the bytes of certificates, so that nothing is taken on trust: a device shows its chain with every request, and a
 * fleet shares all of it but the leaves. Whether a certificate is in its time is judged anew each time.
 */
const read = new BoundedCache<Certificate>(4096);
const issued = new BoundedCache<Promise<boolean>>(8192);

/** @throws {SyntaxError} the bytes are not one DER certificate */
export function readCertificate(der: Uint8Array): Certificate {
  return read.get(thumbprint('sha256', der), () => readNewCertificate(der));
}

function readNewCertificate(der: Uint8Array): Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw new SyntaxError('The bytes are not an X.509 certificate in DER.', { cause });
  }
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const bytes = new Uint8Array(certificate.rawData);
  const result: Certificate = {
    der: bytes,
    subject: certificate.subject,
    issuer: certificate.issuer,
    commonName: certificate.subjectName.getField('CN')[0],
    notBeforeMs: certificate.notBefore.getTime(),
    notAfterMs: certificate.notAfter.getTime(),
    serialNumber: certificate.serialNumber.toUpperCase(),
    thumbprintSha1: thumbprint('sha1', bytes),
    thumbprintSha256: thumbprint('sha256', bytes),
    isAuthority: constraints?.ca ?? false,
    pathLength: constraints?.pathLength,
  };
  parsed.set(result, certificate);
  return result;
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

/** True where `issuer`'s name is `certificate`'s issuer and its key made the signature. Validity is not looked at. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  return issued.get(`${certificate.thumbprintSha256} ${issuer.thumbprintSha256}`, () =>
    checkIssuedBy(certificate, issuer),
  );
}

async function checkIssuedBy(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  const child = requireParsed(certificate);
  const parent = requireParsed(issuer);
  const sameName = Buffer.from(child.issuerName.toArrayBuffer()).equals(
    Buffer.from(parent.subjectName.toArrayBuffer()),
  );
  if (!sameName) return false;
  try {
    return await child.verify({ publicKey: parent, signatureOnly: true }, webcrypto);
  } catch {
    // A key or an algorithm that Web Crypto doesn't know can't have made a signature that we accept.
    return false;
  }
}

function requireParsed(certificate: Certificate): X509Certificate {
  const found = parsed.get(certificate);
  if (found === undefined) throw new TypeError('certificate: expected one that readCertificate returned');
  return found;
}

/** True where nobody else vouches for it. */
export function isSelfSigned(certificate: Certificate): Promise<boolean> {
  return isIssuedBy(certificate, certificate);
}

/** The same certificate, byte for byte. */
export function isSameCertificate(a: Certificate, b: Certificate): boolean {
  return a.thumbprintSha256 === b.thumbprintSha256;
}

function thumbprint(algorithm: 'sha1' | 'sha256', der: Uint8Array): string {
  return createHash(algorithm).update(der).digest('hex').toUpperCase();
}
