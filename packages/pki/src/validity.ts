import type { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';

/** From when to when a certificate may be used, in whole seconds as X.509 holds them. */
export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

const dayMs = 86_400_000;

/** A device or hub whose clock is a little behind takes a new certificate too; Azure speaks of five minutes' drift. */
const backdatingMs = 5 * 60_000;

/** RFC 5280 section 4.1.2.5: UTCTime begins with 1950, GeneralizedTime ends with 9999. */
const firstMoment = Date.parse('1950-01-01T00:05:00Z');
const lastMoment = Date.parse('9999-12-31T23:59:59Z');

/**
 * Starts five minutes before `now` and ends `validityDays` after it; cut to the issuer's own validity at both ends, since
 * a certificate is worth nothing without its issuer.
 *
 * @throws {PkiError} ERR_PKI_VALIDITY: validityDays not above 0, or outside of the years 1950 to 9999
 * @throws {PkiError} ERR_PKI_ISSUER_NOT_VALID: the issuer has expired, or isn't valid yet
 */
export function planValidity(options: {
  validityDays: number;
  now?: Date | undefined;
  issuer?: X509Certificate;
}): Validity {
  const { validityDays, issuer } = options;
  const now = readNow(options.now).getTime();
  const end = now + validityDays * dayMs;
  if (!(validityDays > 0) || !(end <= lastMoment) || now < firstMoment) {
    throw new PkiError(
      'ERR_PKI_VALIDITY',
      `A certificate can't be valid for ${validityDays} days from ${new Date(now).toISOString()}: give a number above 0, between the years 1950 and 9999.`,
    );
  }
  if (issuer) checkIssuerIsValid(issuer, now);
  const notAfter = Math.min(end, issuer?.notAfter.getTime() ?? Infinity);
  return { notBefore: backdate(now, issuer), notAfter: wholeSeconds(notAfter) };
}

/** What is signed now counts from then on: five minutes earlier, but not before its issuer. */
export function backdate(now: number, issuer?: X509Certificate): Date {
  return wholeSeconds(Math.max(now - backdatingMs, issuer?.notBefore.getTime() ?? -Infinity));
}

/** @throws {TypeError} for anything but a valid date */
export function readNow(now: Date | undefined): Date {
  if (now === undefined) return new Date();
  if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw new TypeError('now must be a valid Date.');
  return now;
}

/** @throws {PkiError} ERR_PKI_ISSUER_NOT_VALID */
export function checkIssuerIsValid(issuer: X509Certificate, now: number): void {
  const { subject, notBefore, notAfter } = issuer;
  if (now >= notBefore.getTime() && now < notAfter.getTime()) return;
  const problem =
    now < notBefore.getTime()
      ? `is not valid before ${notBefore.toISOString()}: check this machine's clock (${new Date(now).toISOString()})`
      : `expired on ${notAfter.toISOString()}: create a new authority and issue from that`;
  throw new PkiError('ERR_PKI_ISSUER_NOT_VALID', `Authority "${subject}" can't sign: it ${problem}.`);
}

/** X.509 holds no fractions. */
export function wholeSeconds(ms: number): Date {
  return new Date(Math.floor(ms / 1000) * 1000);
}
