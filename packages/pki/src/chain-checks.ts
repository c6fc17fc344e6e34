import type { ChainProblem } from './chain-problem.ts';
import { readCommonName } from './distinguished-name.ts';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
} from './engine.ts';

const anyExtendedKeyUsage = '2.5.29.37.0';

/** Extensions that these checks understand, or that tell a verifier nothing it has to obey (RFC 5280 section 4.2). */
const understoodExtensions: ReadonlySet<string> = new Set([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.15', // keyUsage
  '2.5.29.17', // subjectAltName
  '2.5.29.19', // basicConstraints
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.37', // extKeyUsage
]);

/** What one certificate says of itself, at its place in the chain. */
export function checkCertificate(
  certificate: X509Certificate,
  { now, isIssuer }: { now: Date; isIssuer: boolean },
): ChainProblem[] {
  return [
    ...checkDates(certificate, now),
    ...checkCriticalExtensions(certificate),
    ...checkExtendedKeyUsage(certificate),
    ...(isIssuer ? checkIssuer(certificate) : []),
  ];
}

/** What the first certificate has to be. */
export function checkLeaf(leaf: X509Certificate, purpose: 'device' | 'authority'): ChainProblem[] {
  if (purpose === 'authority') return checkIssuer(leaf);
  const { subject } = leaf;
  const isAuthority = leaf.getExtension(BasicConstraintsExtension)?.ca ?? false;
  const mayNotSign = !mayUseKeyFor(leaf, KeyUsageFlags.digitalSignature);
  return [
    ...problemIf(
      isAuthority,
      'CHAIN_CA_FLAG',
      `"${subject}" comes first and is a certificate authority's (CA:TRUE): put the device's own certificate first.`,
    ),
    ...problemIf(
      mayNotSign && !isAuthority,
      'CHAIN_KEY_USAGE',
      `The key usage of "${subject}" lacks digitalSignature, without which no TLS client can prove its key: issue it again.`,
    ),
  ];
}

/** DPS takes the registration ID from the common name. */
export function checkRegistration(leaf: X509Certificate, registrationId: string): ChainProblem[] {
  return problemIf(
    readCommonName(leaf.subjectName) !== registrationId,
    'CHAIN_REGISTRATION_ID',
    `The device's certificate is for "${leaf.subject}", expected the common name ${JSON.stringify(registrationId)}: ` +
      'use the certificate that was issued for this device, or register under the name in it.',
  );
}

function checkDates({ subject, notBefore, notAfter }: X509Certificate, now: Date): ChainProblem[] {
  return [
    ...problemIf(
      now > notAfter,
      'CHAIN_EXPIRED',
      `"${subject}" expired on ${notAfter.toISOString()} (now: ${now.toISOString()}): issue a new one, with the same common name.`,
    ),
    ...problemIf(
      now < notBefore,
      'CHAIN_NOT_YET_VALID',
      `"${subject}" is not valid before ${notBefore.toISOString()} (now: ${now.toISOString()}): check this machine's clock.`,
    ),
  ];
}

function checkIssuer(issuer: X509Certificate): ChainProblem[] {
  return [
    ...problemIf(
      !issuer.getExtension(BasicConstraintsExtension)?.ca,
      'CHAIN_CA_FLAG',
      `"${issuer.subject}" issues certificates but is no certificate authority's (CA:TRUE is missing): issue from a real one.`,
    ),
    ...problemIf(
      !mayUseKeyFor(issuer, KeyUsageFlags.keyCertSign),
      'CHAIN_KEY_USAGE',
      `The key usage of "${issuer.subject}" lacks keyCertSign, so it may not issue certificates: create the authority again.`,
    ),
  ];
}

/** An authority's extended key usage limits what is below it, as OpenSSL and Windows read it. */
function checkExtendedKeyUsage(certificate: X509Certificate): ChainProblem[] {
  const usages = certificate.getExtension(ExtendedKeyUsageExtension)?.usages as string[] | undefined;
  return problemIf(
    usages !== undefined && !usages.includes(ExtendedKeyUsage.clientAuth) && !usages.includes(anyExtendedKeyUsage),
    'CHAIN_EXTENDED_KEY_USAGE',
    `The extended key usage of "${certificate.subject}" lacks clientAuth, so a device can't connect with it: issue it again.`,
  );
}

function checkCriticalExtensions(certificate: X509Certificate): ChainProblem[] {
  return certificate.extensions
    .filter(({ critical, type }) => critical && !understoodExtensions.has(type))
    .flatMap(({ type }) =>
      problemIf(
        true,
        'CHAIN_CRITICAL_EXTENSION',
        `"${certificate.subject}" has the critical extension ${type}, which is not understood here: check it with another tool.`,
      ),
    );
}

/** Without the extension a key may be used for everything (RFC 5280 section 4.2.1.3). */
function mayUseKeyFor(certificate: X509Certificate, flag: KeyUsageFlags): boolean {
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages;
  return usages === undefined || (usages & flag) !== 0;
}

function problemIf(isWrong: boolean, code: ChainProblem['code'], message: string): ChainProblem[] {
  return isWrong ? [{ code, message }] : [];
}
