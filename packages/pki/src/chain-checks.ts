import { isSelfIssued, isSelfSigned, isSignedBy, namesIssuer } from './chain.ts';
import { isAuthority } from './chain-layout.ts';
import { problemIf, type FoundProblem } from './chain-problem.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
} from './engine.ts';

/** Extensions that these checks or the validation engine understand, or that tell a verifier nothing it has to obey. */
const understoodExtensions: ReadonlySet<string> = new Set([
  '2.5.29.15', // keyUsage
  '2.5.29.17', // subjectAltName
  '2.5.29.19', // basicConstraints
  '2.5.29.30', // nameConstraints
  '2.5.29.31', // cRLDistributionPoints
  '2.5.29.32', // certificatePolicies
  '2.5.29.33', // policyMappings
  '2.5.29.36', // policyConstraints
  '2.5.29.37', // extKeyUsage
  '2.5.29.54', // inhibitAnyPolicy
]);

/** RFC 5280 has them never critical; where they are, OpenSSL and others still understand them. */
const keyIdentifiers: ReadonlySet<string> = new Set(['2.5.29.14', '2.5.29.35']);

/** Everything that path validation says about the certificates of a path, from the device to the end. */
export function checkPath(
  path: readonly X509Certificate[],
  { now, isEndTrusted }: { now: Date; isEndTrusted: boolean },
): FoundProblem[] {
  return path.flatMap((certificate, index) => [
    ...checkDates(certificate, now),
    ...checkSignature(certificate, path[index + 1], isEndTrusted),
    ...(index > 0 ? checkIssuer(certificate, 'path') : []),
    ...(index > 0 ? checkPathLength(certificate, path.slice(1, index)) : []),
    ...checkExtendedKeyUsage(certificate),
    ...checkCriticalExtensions(certificate),
  ]);
}

function checkDates(certificate: X509Certificate, now: Date): FoundProblem[] {
  const { subject, notBefore, notAfter } = certificate;
  return [
    ...problemIf(now < notBefore, {
      code: 'CHAIN_NOT_YET_VALID',
      message: `"${subject}" is not valid before ${notBefore.toISOString()} (now: ${now.toISOString()}): check this machine's clock.`,
      rule: 'path',
      certificate,
    }),
    ...problemIf(now > notAfter, {
      code: 'CHAIN_EXPIRED',
      message: `"${subject}" expired on ${notAfter.toISOString()} (now: ${now.toISOString()}): issue a new one, with the same common name.`,
      rule: 'path',
      certificate,
    }),
  ];
}

/** A trusted end needs no proof of its own; an untrusted root has to have signed itself. */
function checkSignature(
  certificate: X509Certificate,
  next: X509Certificate | undefined,
  isEndTrusted: boolean,
): FoundProblem[] {
  const issuer = next ?? (isSelfSigned(certificate) && !isEndTrusted ? certificate : undefined);
  if (!issuer) return [];
  const isSigned = isSignedBy(certificate, issuer);
  return [
    ...problemIf(!isSigned, {
      code: 'CHAIN_SIGNATURE',
      message:
        `"${certificate.subject}" was not signed by the key of the "${issuer.subject}" in this chain: ` +
        'either it was altered, or another authority of that name signed it. Use the certificate of the one that did.',
      rule: 'path',
      certificate,
    }),
    ...problemIf(isSigned && !namesIssuer(certificate, issuer), {
      code: 'CHAIN_KEY_IDENTIFIER',
      message:
        `"${certificate.subject}" was signed by "${issuer.subject}", but its authority key identifier names another key or certificate, ` +
        'so verifiers look for another issuer: issue it again.',
      rule: 'path',
      certificate,
    }),
  ];
}

/** RFC 5280 section 4.2.1.9: authorities between this one and the first certificate count, and not self-issued ones. */
export function checkPathLength(
  certificate: X509Certificate,
  below: readonly X509Certificate[],
  rule: 'path' | 'azure' = 'path',
): FoundProblem[] {
  const limit = certificate.getExtension(BasicConstraintsExtension)?.pathLength;
  const count = below.filter((between) => !isSelfIssued(between)).length;
  return problemIf(limit !== undefined && count > limit, {
    code: 'CHAIN_PATH_LENGTH',
    message:
      `"${certificate.subject}" allows ${limit ?? 0} authorities below it and has ${count}: ` +
      'issue from an authority higher up, or make a root with a larger path length.',
    rule,
    certificate,
  });
}

export function checkIssuer(issuer: X509Certificate, rule: 'path' | 'azure'): FoundProblem[] {
  const mayNotSign = !mayUseKeyFor(issuer, KeyUsageFlags.keyCertSign);
  return [
    ...problemIf(!isAuthority(issuer), {
      code: 'CHAIN_CA_FLAG',
      message: `"${issuer.subject}" issues certificates but is no certificate authority's (CA:TRUE is missing): issue from a real one.`,
      rule: rule === 'path' && isOldRoot(issuer) && !mayNotSign ? 'profile' : rule,
      certificate: issuer,
    }),
    ...problemIf(mayNotSign, {
      code: 'CHAIN_KEY_USAGE',
      message: `The key usage of "${issuer.subject}" lacks keyCertSign, so it may not issue certificates: create the authority again.`,
      rule,
      certificate: issuer,
    }),
  ];
}

/** RFC 5280 section 6.1.4 (k): where version or extensions can't say it, a verifier may know a root by other means. */
function isOldRoot(certificate: X509Certificate): boolean {
  if (!isSelfSigned(certificate) || certificate.getExtension(BasicConstraintsExtension)) return false;
  return certificate.extensions.length === 0 || certificate.getExtension(KeyUsagesExtension) !== null;
}

/**
 * An authority's extended key usage limits what is below it, as OpenSSL and Windows read it. anyExtendedKeyUsage doesn't
 * help: RFC 5280 section 4.2.1.12 lets a verifier insist on the purpose itself, and OpenSSL does.
 */
function checkExtendedKeyUsage(certificate: X509Certificate): FoundProblem[] {
  const usages = certificate.getExtension(ExtendedKeyUsageExtension)?.usages as string[] | undefined;
  return problemIf(usages !== undefined && !usages.includes(ExtendedKeyUsage.clientAuth), {
    code: 'CHAIN_EXTENDED_KEY_USAGE',
    message: `The extended key usage of "${certificate.subject}" lacks clientAuth, so a device can't connect with it: issue it again.`,
    rule: 'path',
    certificate,
  });
}

function checkCriticalExtensions(certificate: X509Certificate): FoundProblem[] {
  return certificate.extensions
    .filter(({ critical, type }) => critical && !understoodExtensions.has(type) && !keyIdentifiers.has(type))
    .map(({ type }) => ({
      code: 'CHAIN_CRITICAL_EXTENSION',
      message: `"${certificate.subject}" has the critical extension ${type}, which is not understood here: check it with another tool.`,
      rule: 'path',
      certificate,
    }));
}

/** Without the extension a key may be used for everything (RFC 5280 section 4.2.1.3). */
export function mayUseKeyFor(certificate: X509Certificate, flags: KeyUsageFlags): boolean {
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages;
  return usages === undefined || (usages & flags) !== 0;
}
