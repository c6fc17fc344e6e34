import { AsnConvert } from '@peculiar/asn1-schema';
import { signerOf, type CertificateAuthority } from '../authority.ts';
import { KeyUsageFlags, KeyUsagesExtension, type X509Certificate } from '../engine.ts';
import { PkiError } from '../errors.ts';
import { signatureAlgorithm } from '../key-algorithm.ts';
import { authorityKeyIdentifier } from '../key-identifier.ts';
import { checkIssuerIsValid, readNow, wholeSeconds } from '../validity.ts';
import { encodeElement, tag } from '../der.ts';
import { crlExtension, crlTag, encodeExtension, encodeGeneralizedTime, encodeTime } from './crl-element.ts';
import { readCrl, type RevocationList } from './crl-reading.ts';
import { reasonNumber, serialOctets, type RevokedCertificate } from './revocation.ts';

/** What createCrl takes. */
export interface CrlOptions {
  /**
   * Every certificate of this authority that is revoked, each serial number once. One that has ended stays until it has been
   * on one list that was signed after its end (RFC 5280 section 3.3).
   */
  revoked: readonly RevokedCertificate[];
  /** Greater than that of every list before, 0 to 2^159 - 1: the inventory counts. */
  number: number | bigint;
  /** When the next list is there at the latest; from then on verifiers refuse to rely on this one. */
  nextUpdate: Date;
  /** Default: now. */
  now?: Date;
}

const mostNumber = 2n ** 159n - 1n;
const version2 = 1;

/** What DER lengths of three octets can say, less what stands around it: about 300,000 certificates. */
const mostLength = 0xffffff - 1024;

/**
 * Signs a full revocation list (X.509 CRL version 2, RFC 5280 section 5): everything that the authority revoked, with reasons,
 * the list's number and the authority's key identifier. Signed with the authority's key, wherever that is.
 *
 * Azure reads no such lists; a server of your own does (OpenSSL, Node's `crl` option).
 *
 * @throws {PkiError} ERR_PKI_REVOCATION: a serial number, reason, date or the number can't be used, or is there twice; or
 * nextUpdate isn't after now
 * @throws {PkiError} ERR_PKI_ISSUER_NOT_VALID: the authority has expired
 * @throws {PkiError} ERR_PKI_NOT_AN_AUTHORITY: its key usage lacks cRLSign
 */
export async function createCrl(authority: CertificateAuthority, options: CrlOptions): Promise<RevocationList> {
  const { certificate, key } = signerOf(authority);
  const now = wholeSeconds(readNow(options.now).getTime());
  checkIssuerIsValid(certificate, now.getTime());
  checkMaySign(certificate);
  const number = readNumber(options.number);
  const nextUpdate = readDate(options.nextUpdate, 'nextUpdate');
  if (nextUpdate <= now) throw refuse(`nextUpdate (${nextUpdate.toISOString()}) is not after ${now.toISOString()}`);
  const algorithm = new Uint8Array(AsnConvert.serialize(signatureAlgorithm(key.keyAlgorithm)));
  const entries = Buffer.concat(encodeEntries(options.revoked));
  if (entries.length > mostLength)
    throw refuse(`its entries have ${entries.length} octets; ${mostLength} are the limit here`);
  const tbs = encodeElement(
    tag.sequence,
    encodeElement(tag.integer, Uint8Array.of(version2)),
    algorithm,
    new Uint8Array(certificate.subjectName.toArrayBuffer()),
    encodeTime(now),
    encodeTime(nextUpdate),
    // RFC 5280 section 5.1.2.6: absent, not empty.
    ...(entries.length === 0 ? [] : [encodeElement(tag.sequence, entries)]),
    encodeElement(crlTag.context0, encodeElement(tag.sequence, ...encodeExtensions(certificate, number))),
  );
  const signature = encodeElement(tag.bitString, Uint8Array.of(0), await key.sign(tbs));
  return readCrl(encodeElement(tag.sequence, tbs, algorithm, signature));
}

function encodeEntries(revoked: readonly RevokedCertificate[]): Buffer[] {
  const seen = new Set<string>();
  return revoked.map(({ serialNumber, revokedAt, reason = 'unspecified', invalidSince }) => {
    const serial = serialOctets(serialNumber);
    const name = Buffer.from(serial).toString('latin1');
    if (seen.has(name)) throw refuse(`serial number ${serialNumber} is there twice`);
    seen.add(name);
    const number = reasonNumber(reason);
    const extensions = [
      ...(number === 0
        ? []
        : [encodeExtension(crlExtension.reason, encodeElement(crlTag.enumerated, Uint8Array.of(number)))]),
      // Section 5.3.2: GeneralizedTime in every year.
      ...(invalidSince === undefined
        ? []
        : [
            encodeExtension(crlExtension.invalidityDate, encodeGeneralizedTime(readDate(invalidSince, 'invalidSince'))),
          ]),
    ];
    return encodeElement(
      tag.sequence,
      encodeElement(tag.integer, serial),
      encodeTime(readDate(revokedAt, 'revokedAt')),
      ...(extensions.length === 0 ? [] : [encodeElement(tag.sequence, ...extensions)]),
    );
  });
}

/** Sections 5.2.1 and 5.2.3: both always there, neither critical. */
function encodeExtensions(certificate: X509Certificate, number: bigint): Buffer[] {
  const authorityKeyId = encodeElement(0x80, Buffer.from(authorityKeyIdentifier(certificate), 'hex'));
  const digits = number.toString(16);
  const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  const sign = (octets[0] ?? 0) > 0x7f ? [Uint8Array.of(0)] : [];
  return [
    encodeExtension(crlExtension.authorityKeyId, encodeElement(tag.sequence, authorityKeyId)),
    encodeExtension(crlExtension.number, encodeElement(tag.integer, ...sign, octets)),
  ];
}

function checkMaySign(certificate: X509Certificate): void {
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages;
  if (usages === undefined || (usages & KeyUsageFlags.cRLSign) !== 0) return;
  throw new PkiError(
    'ERR_PKI_NOT_AN_AUTHORITY',
    `The key usage of "${certificate.subject}" lacks cRLSign, so it may not sign revocation lists: create the authority again.`,
  );
}

function readNumber(number: number | bigint): bigint {
  const isWhole = typeof number === 'bigint' || Number.isSafeInteger(number);
  if (!isWhole || number < 0 || BigInt(number) > mostNumber) {
    throw refuse(`its number (${number}) is not a whole number from 0 to 2^159 - 1`);
  }
  return BigInt(number);
}

function readDate(date: Date, name: string): Date {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) throw new TypeError(`${name} must be a valid Date.`);
  const year = date.getUTCFullYear();
  if (year < 1950 || year > 9999) throw refuse(`${name} is outside of the years 1950 to 9999`);
  return wholeSeconds(date.getTime());
}

function refuse(reason: string): PkiError {
  return new PkiError('ERR_PKI_REVOCATION', `The revocation list was not made: ${reason}. Correct it and try again.`);
}
