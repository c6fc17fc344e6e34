import { isSelfSigned } from './chain.ts';
import { mayUseKeyFor } from './chain-checks.ts';
import { isAuthority } from './chain-layout.ts';
import { problemIf, type FoundProblem } from './chain-problem.ts';
import { readCommonName } from './distinguished-name.ts';
import { KeyUsageFlags, type X509Certificate } from './engine.ts';
import { checkRegistrationId } from './registration-id.ts';

/** What the first certificate of a device's chain has to be: for TLS, for DPS and for IoT Hub. */
export function checkDevice(leaf: X509Certificate, registrationId: string | undefined): FoundProblem[] {
  return [
    ...(isAuthority(leaf) ? checkRole(leaf) : checkKeyUsage(leaf)),
    ...(isAuthority(leaf) && registrationId === undefined ? [] : checkRegistration(leaf, registrationId)),
    ...problemIf(isSelfSigned(leaf) && !isAuthority(leaf), {
      code: 'CHAIN_SELF_SIGNED',
      message:
        `"${leaf.subject}" is self-signed: no enrollment group takes it. ` +
        'Give the device an individual enrollment with this certificate, or issue one from a line authority.',
      rule: 'azure',
      isWarning: true,
      certificate: leaf,
    }),
  ];
}

function checkRole(leaf: X509Certificate): FoundProblem[] {
  const message = `"${leaf.subject}" comes first and is a certificate authority's (CA:TRUE): put the device's own certificate first.`;
  return [{ code: 'CHAIN_CA_FLAG', message, rule: ruleOfKeyUsage(leaf), certificate: leaf }];
}

function checkKeyUsage(leaf: X509Certificate): FoundProblem[] {
  return problemIf(!mayUseKeyFor(leaf, KeyUsageFlags.digitalSignature), {
    code: 'CHAIN_KEY_USAGE',
    message: `The key usage of "${leaf.subject}" lacks digitalSignature, without which no TLS client can prove its key: issue it again.`,
    rule: ruleOfKeyUsage(leaf),
    certificate: leaf,
  });
}

/** TLS 1.2 once knew clients that agree on keys instead (RFC 8422 section 3), and path validation still lets them pass. */
function ruleOfKeyUsage(leaf: X509Certificate): 'path' | 'azure' {
  return mayUseKeyFor(leaf, KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement) ? 'azure' : 'path';
}

/** DPS takes the registration ID from the common name. */
export function checkRegistration(leaf: X509Certificate, registrationId: string | undefined): FoundProblem[] {
  const commonName = readCommonName(leaf.subjectName);
  if (registrationId !== undefined) {
    if (isOtherCase(commonName, registrationId)) return [otherCase(leaf, registrationId)];
    return problemIf(commonName !== registrationId, {
      code: 'CHAIN_REGISTRATION_ID',
      message:
        `The device's certificate is for "${leaf.subject}", expected the common name ${JSON.stringify(registrationId)}: ` +
        'use the certificate that was issued for this device, or register under the name in it.',
      rule: 'azure',
      certificate: leaf,
    });
  }
  const broken = brokenRule(commonName);
  return problemIf(broken !== undefined, {
    code: 'CHAIN_REGISTRATION_ID',
    message: broken ?? '',
    rule: 'azure',
    isWarning: true,
    certificate: leaf,
  });
}

function isOtherCase(commonName: string | undefined, registrationId: string): boolean {
  const fold = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return commonName !== undefined && commonName !== registrationId && fold(commonName) === fold(registrationId);
}

function otherCase(leaf: X509Certificate, registrationId: string): FoundProblem {
  return {
    code: 'CHAIN_REGISTRATION_ID_CASE',
    message:
      `The device's certificate is for "${leaf.subject}", and differs from ${JSON.stringify(registrationId)} in upper and lower case: ` +
      'to DPS both are one, to IoT Hub they are not. Use lower case for both.',
    rule: 'azure',
    isWarning: true,
    certificate: leaf,
  };
}

function brokenRule(commonName: string | undefined): string | undefined {
  if (commonName === undefined) {
    return "The device's certificate has no common name, or several: DPS takes the registration ID from it. Issue it again.";
  }
  try {
    checkRegistrationId(commonName);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
