import { PkiError } from '../errors.ts';

/**
 * Why a certificate was revoked (RFC 5280 section 5.3.1, by the names and numbers there). `certificateHold` may be lifted
 * again, by leaving the certificate out of the next list; all others are for good.
 */
export type RevocationReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'privilegeWithdrawn'
  | 'aACompromise';

/** A certificate that its authority doesn't stand for any more. */
export interface RevokedCertificate {
  /** Hexadecimal, as CertificateDetails has it. */
  serialNumber: string;
  /** When it was revoked. */
  revokedAt: Date;
  /** Default `unspecified`, which is left out of the list as RFC 5280 wants. */
  reason?: RevocationReason;
  /** Since when the key is suspected (section 5.3.2), where that is known to be earlier. */
  invalidSince?: Date;
}

const numbers: Readonly<Record<RevocationReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
  aACompromise: 10,
};

/** @throws {PkiError} ERR_PKI_REVOCATION: no such reason; `removeFromCRL` (8) is for delta lists, which aren't made here */
export function reasonNumber(reason: RevocationReason): number {
  if (Object.hasOwn(numbers, reason)) return numbers[reason];
  throw new PkiError(
    'ERR_PKI_REVOCATION',
    `${JSON.stringify(reason)} is no reason for a revocation: use one of ${Object.keys(numbers).join(', ')}.`,
  );
}

/** Undefined for numbers that RFC 5280 doesn't use, and for `removeFromCRL`. */
export function reasonOf(number: number): RevocationReason | undefined {
  return (Object.keys(numbers) as RevocationReason[]).find((reason) => numbers[reason] === number);
}

/**
 * Content octets of the serial number as an INTEGER.
 *
 * @throws {PkiError} ERR_PKI_REVOCATION
 */
export function serialOctets(serialNumber: string): Uint8Array {
  if (typeof serialNumber !== 'string') throw new TypeError('serialNumber must be a string.');
  const digits = serialNumber.replace(/^(?:00)+(?=.)/, '');
  if (!/^(?:[0-9a-f]{2}){1,20}$/i.test(digits) || Number.parseInt(digits, 16) === 0) {
    throw new PkiError(
      'ERR_PKI_REVOCATION',
      `Serial number ${JSON.stringify(serialNumber.slice(0, 50))} can't be revoked: give 1 to 20 octets in hexadecimal, as the certificate has it.`,
    );
  }
  const octets = Buffer.from(digits, 'hex');
  return (octets[0] ?? 0) > 0x7f ? Uint8Array.of(0, ...octets) : Uint8Array.from(octets);
}
