import type { CertificateAuthority } from '../authority.ts';
import { signDevice } from '../device-certificate.ts';
import { keyAlgorithmTerms, type KeyAlgorithm } from '../key-algorithm.ts';
import { keyIdentifier } from '../key-identifier.ts';
import { decodePem } from '../pem.ts';
import { generateKeyPair, privateKeyToPkcs8, publicKeyToDer } from '../private-key.ts';
import { encodeCommonName, readElement, readElements, type Element } from '../der.ts';

/**
 * Everything that the certificates of one line have in common, encoded once; plain data, which worker threads are sent.
 *
 * It is taken apart from a certificate that the ordinary path has made, so that mass issuing follows its profile in every
 * octet. Serial number, common name, public key and key identifier are what differs.
 */
export interface DeviceTemplate {
  /** Version: what stands before the serial number in a TBSCertificate. */
  version: Uint8Array;
  /** Signature algorithm, issuer and validity: between serial number and subject. */
  beforeSubject: Uint8Array;
  /** Key and extensions: what follows the subject. */
  afterSubject: Uint8Array;
  /** Of the 65 octets of the public point in `afterSubject`. */
  pointOffset: number;
  /** Of the 20 octets of the subject key identifier in `afterSubject`. */
  keyIdentifierOffset: number;
  /** AlgorithmIdentifier that follows the TBSCertificate. */
  signatureAlgorithm: Uint8Array;
  /** Node's name of the hash that the line signs with. */
  hash: string;
  /** Octets of the longest signature. */
  maxSignatureLength: number;
  /** PKCS#8 of a P-256 key, and where the private number (32 octets) and the public point (65) lie in it. */
  pkcs8: Uint8Array;
  pkcs8PrivateOffset: number;
  pkcs8PointOffset: number;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
}

/** Octets of a signature at most: DER of two integers with a leading zero each, or as long as the modulus. */
const maxSignatureLengths: Readonly<Record<KeyAlgorithm, number>> = {
  'P-256': 72,
  'P-384': 104,
  'RSA-2048': 256,
  'RSA-3072': 384,
  'RSA-4096': 512,
};

const sampleName = 'template';

/**
 * Lets the ordinary path sign one certificate, for a key that is thrown away, and takes it apart.
 *
 * @throws {PkiError} ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID
 */
export async function createDeviceTemplate(
  line: CertificateAuthority,
  options: { validityDays?: number; now: Date },
): Promise<DeviceTemplate> {
  const { privateKey, publicKey } = await generateKeyPair('P-256');
  const publicKeyDer = publicKeyToDer(publicKey);
  const point = publicKeyDer.subarray(-65);
  const sample = await signDevice(line, { ...options, registrationId: sampleName, publicKeyDer });
  const certificate = Buffer.from(decodePem(sample.certificatePem)[0]?.der ?? []);
  const [tbs, signatureAlgorithm] = childrenOf(certificate, readElement(certificate, 0));
  const [version, serial, , , , subject, ...rest] = childrenOf(certificate, tbs);
  const subjectDer = cut(certificate, subject?.from, subject?.end);
  if (!encodeCommonName(sampleName).equals(subjectDer)) throw new TypeError('A sample has an unexpected subject.');
  const afterSubject = cut(certificate, subject?.end, rest.at(-1)?.end);
  return {
    version: cut(certificate, version?.from, version?.end),
    beforeSubject: cut(certificate, serial?.end, subject?.from),
    afterSubject,
    pointOffset: onlyPlaceOf(point, afterSubject),
    keyIdentifierOffset: onlyPlaceOf(Buffer.from(keyIdentifier(publicKeyDer), 'hex'), afterSubject),
    signatureAlgorithm: cut(certificate, signatureAlgorithm?.from, signatureAlgorithm?.end),
    hash: keyAlgorithmTerms(line.keyAlgorithm).hash,
    maxSignatureLength: maxSignatureLengths[line.keyAlgorithm],
    ...keyTemplate(privateKeyToPkcs8(privateKey), point),
    notBefore: sample.notBefore.getTime(),
    notAfter: sample.notAfter.getTime(),
  };
}

/** RFC 5208 around RFC 5915: of a P-256 key always of one length. The private number is an OCTET STRING of 32 octets. */
function keyTemplate(
  pkcs8: Uint8Array,
  point: Uint8Array,
): Pick<DeviceTemplate, 'pkcs8' | 'pkcs8PrivateOffset' | 'pkcs8PointOffset'> {
  const privateHeader = Uint8Array.of(0x02, 0x01, 0x01, 0x04, 0x20);
  const pkcs8PrivateOffset = onlyPlaceOf(privateHeader, pkcs8) + privateHeader.length;
  pkcs8.fill(0, pkcs8PrivateOffset, pkcs8PrivateOffset + 32);
  return { pkcs8: Uint8Array.from(pkcs8), pkcs8PrivateOffset, pkcs8PointOffset: onlyPlaceOf(point, pkcs8) };
}

function childrenOf(der: Uint8Array, parent: Element | undefined): Element[] {
  return (parent && readElements(der, parent)) ?? [];
}

/** A copy, since a part of a larger buffer would be sent to a worker with all of it. */
function cut(der: Uint8Array, from = der.length, end = 0): Uint8Array {
  if (from >= end) throw new TypeError('A sample certificate has an unexpected form.');
  return Uint8Array.from(der.subarray(from, end));
}

function onlyPlaceOf(part: Uint8Array, whole: Uint8Array): number {
  const bytes = Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength);
  const place = bytes.indexOf(part);
  if (place < 0 || bytes.indexOf(part, place + 1) >= 0) {
    throw new TypeError('A sample has an unexpected form: a part of it is not there exactly once.');
  }
  return place;
}
