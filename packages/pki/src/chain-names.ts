import { certificateSchema } from './certificate.ts';
import { isSelfIssued } from './chain.ts';
import type { FoundProblem } from './chain-problem.ts';
import { allOf } from './der.ts';
import { isEmptyName } from './distinguished-name.ts';
import type { X509Certificate } from './engine.ts';
import { readGeneralNames, type GeneralName } from './general-name.ts';
import { judgeNames, readNameConstraints } from './name-constraints.ts';
import { isDomainName } from './name-rule.ts';

const oid = { nameConstraints: '2.5.29.30', subjectAltName: '2.5.29.17', emailAddress: '1.2.840.113549.1.9.1' };

/** Each name is compared with each constraint; OpenSSL gives up there too. */
const mostComparisons = 2 ** 20;

/**
 * Name constraints (RFC 5280 section 4.2.1.10) of every authority in a path against every name below it, as OpenSSL reads
 * them: critical or not, the end of the path included, self-issued authorities let off, and a device's common name that looks
 * like a DNS name is one where it has no other. Where RFC 5280 is stricter than OpenSSL, it is followed.
 */
export function checkNameConstraints(path: readonly X509Certificate[]): FoundProblem[] {
  return path.flatMap((certificate, index) => {
    const limiting = path.slice(index + 1).filter((authority) => authority.getExtension(oid.nameConstraints));
    if (limiting.length === 0 || (index > 0 && isSelfIssued(certificate))) return [];
    const names = namesOf(certificate, { isDevice: index === 0 });
    return limiting.flatMap((authority) => {
      const reason = typeof names === 'string' ? names : whyNot(names, authority);
      return reason === undefined ? [] : [problem(certificate, authority, reason)];
    });
  });
}

function problem(certificate: X509Certificate, authority: X509Certificate, reason: string): FoundProblem {
  return {
    code: 'CHAIN_CONSTRAINT',
    message: `"${authority.subject}" may not issue for "${certificate.subject}": ${reason}. Issue it from another authority, or under another name.`,
    rule: 'path',
    certificate,
  };
}

function whyNot(names: readonly GeneralName[], authority: X509Certificate): string | undefined {
  const extension = authority.getExtension(oid.nameConstraints);
  const constraints = extension && readNameConstraints(new Uint8Array(extension.value));
  if (!constraints) return "its name constraints can't be read";
  if (names.length * (constraints.permitted.length + constraints.excluded.length) > mostComparisons) {
    return 'it has too many name constraints for so many names';
  }
  return judgeNames(names, constraints);
}

/** Every name that a certificate gives its subject; or, in words, why that can't be told. */
function namesOf(certificate: X509Certificate, { isDevice }: { isDevice: boolean }): GeneralName[] | string {
  const { subjectName } = certificate;
  const extension = certificate.getExtension(oid.subjectAltName);
  const alternative = extension ? readGeneralNames(new Uint8Array(extension.value)) : [];
  if (!alternative) return "its alternative names can't be read";
  const addresses = addressesOf(certificate);
  if (!addresses) return 'the e-mail address in its name is no IA5String (RFC 5280 appendix A.1)';
  const hasDnsName = alternative.some(({ kind }) => kind === 'dNSName');
  // Some writers end a text as C does; OpenSSL minds a zero only in its midst.
  const texts = isDevice && !hasDnsName ? subjectName.getField('CN').map((text) => text.replace(/\0+$/, '')) : [];
  if (texts.some((text) => text.includes('\0'))) return 'its common name has a zero octet in its midst';
  const commonNames = texts.filter(isDomainName);
  return [
    ...(isEmptyName(subjectName) ? [] : [named('directoryName', new Uint8Array(subjectName.toArrayBuffer()))]),
    ...addresses.map((address) => named('rfc822Name', Buffer.from(address, 'latin1'))),
    ...alternative,
    ...commonNames.map((name) => named('dNSName', Buffer.from(name, 'latin1'))),
  ];
}

/** OpenSSL has constraints on e-mail addresses apply to those in a name too; undefined: one is of another kind of string. */
function addressesOf(certificate: X509Certificate): string[] | undefined {
  const attributes = Array.from(certificateSchema(certificate).tbsCertificate.subject).flatMap((part) =>
    Array.from(part),
  );
  return allOf(attributes.filter(({ type }) => type === oid.emailAddress).map(({ value: { ia5String } }) => ia5String));
}

function named(kind: string, octets: Uint8Array): GeneralName {
  return { kind, octets };
}
