import type { Attested } from './attested.ts';
import { ownCertificates, pairItems } from './attestation.ts';
import { type Certificate, isSameCertificate, isSelfSigned, readCertificate } from '../certificates/certificate.ts';
import { type ChainFault, type ChainRules, findChainFault, trustChain } from '../certificates/certificate-chain.ts';
import type { DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import type { Enrollment } from './enrollment.ts';
import type { ProvisioningInstance } from './provisioning-instance.ts';
import { registrationKey } from './registration-id.ts';

/** What {@link attestByCertificate} judges. */
export interface X509Evidence {
  readonly registrationId: string;
  /** DER, leaf first, at least one. */
  readonly presentedChain: readonly Uint8Array[];
  /** Unix milliseconds. */
  readonly nowMs: number;
  readonly assumptions: DpsAssumptions;
}

/**
 * X.509 attestation of DPS: the chain holds and is in its time, the leaf's common name is the registration ID, and the
 * first enrollment found on the way from the leaf to the root is enabled.
 *
 * @throws {DpsError} enrollmentDisabled; enrollmentNotFound, where that is assumed; unauthorized, with the wording that DPS has for the case and the whole story as `reason`
 */
export function attestByCertificate(instance: ProvisioningInstance, evidence: X509Evidence): Attested {
  const chain = readChain(evidence.presentedChain);
  const leaf = chain[0];
  if (leaf === undefined) throw refuse('Unauthorized', 'no client certificate was presented');
  const rules = { nowMs: evidence.nowMs, ...evidence.assumptions };
  const fault = findChainFault(chain, rules);
  if (fault !== undefined) throw refuse('Invalid certificate.', fault.reason);
  if (registrationKey(leaf.commonName ?? '') !== registrationKey(evidence.registrationId)) {
    throw refuse(
      'Invalid certificate.',
      `the certificate's subject is ${leaf.subject}, and its common name has to be the registration ID ${evidence.registrationId}`,
    );
  }
  const individual = instance.enrollments.find('individual', evidence.registrationId);
  return individual === undefined
    ? attestByGroup(instance, chain, { ...rules, ...evidence })
    : attestByIndividual(instance, individual, { chain, leaf, rules });
}

function readChain(presented: readonly Uint8Array[]): Certificate[] {
  try {
    return presented.map(readCertificate);
  } catch {
    throw refuse('Invalid certificate.', 'a presented certificate is unreadable');
  }
}

function attestByIndividual(
  instance: ProvisioningInstance,
  enrollment: Enrollment,
  presented: { readonly chain: readonly Certificate[]; readonly leaf: Certificate; readonly rules: ChainRules },
): Attested {
  requireEnabled(enrollment);
  const own = ownCertificates(enrollment.attestation);
  if (!own.some((certificate) => isSameCertificate(certificate, presented.leaf))) {
    throw refuse(
      'Unauthorized',
      `individual enrollment '${enrollment.id}' has another certificate than the one presented, ${presented.leaf.thumbprintSha256}`,
    );
  }
  // A self-signed device certificate needs no CA; one that a CA issued has to lead to a verified one.
  if (!isSelfSigned(presented.leaf)) requireTrust(instance, presented.chain, presented.rules);
  return { enrollment, leaf: presented.leaf, thumbprints: thumbprintPair(own, presented.leaf) };
}

function attestByGroup(
  instance: ProvisioningInstance,
  chain: readonly Certificate[],
  rules: ChainRules & X509Evidence,
): Attested {
  const [leaf, ...issuers] = requireTrust(instance, chain, rules);
  if (leaf === undefined) throw refuse('Unauthorized', 'no client certificate was presented');
  for (const issuer of issuers) {
    const enrollment = findGroup(instance, issuer);
    if (enrollment !== undefined) {
      requireEnabled(enrollment);
      return rules.assumptions.groupDeviceIdentity === 'thumbprint'
        ? { enrollment, leaf, thumbprints: thumbprintPair([leaf], leaf) }
        : { enrollment, leaf, isCertificateAuthority: true };
    }
  }
  throw unknownDevice(
    rules,
    `no enrollment has ${leaf.subject} or one of its issuers: ${issuers.map(({ subject }) => subject).join(', ')}`,
  );
}

function requireTrust(
  instance: ProvisioningInstance,
  chain: readonly Certificate[],
  rules: ChainRules,
): readonly Certificate[] {
  const verified = instance.certificateAuthorities.filter(({ isVerified }) => isVerified);
  const trusted = trustChain(
    chain,
    verified.map(({ certificate }) => certificate),
    rules,
  );
  if ('fault' in trusted) throw refuse(wording(trusted), trusted.reason);
  return trusted.certificates;
}

function wording(fault: ChainFault): string {
  return fault.fault === 'noVerifiedAuthority' ? 'CA certificate not found.' : 'Invalid certificate.';
}

function findGroup(instance: ProvisioningInstance, issuer: Certificate): Enrollment | undefined {
  return instance.enrollments.list('group').find(({ attestation }) => {
    if (attestation.type !== 'x509') return false;
    if (attestation.form !== 'caReferences') {
      return ownCertificates(attestation).some((own) => isSameCertificate(own, issuer));
    }
    const names = pairItems(attestation.names);
    return instance.certificateAuthorities.some(
      ({ name, certificate }) => names.includes(name) && isSameCertificate(certificate, issuer),
    );
  });
}

export function requireEnabled(enrollment: Enrollment): void {
  if (!enrollment.isEnabled)
    throw new DpsError(
      'enrollmentDisabled',
      'Unauthorized',
      `${enrollment.kind} enrollment '${enrollment.id}' is disabled`,
    );
}

/** DPS puts the thumbprints of the device's certificate on the hub identity, the primary twice where there is one only. */
function thumbprintPair(own: readonly Certificate[], leaf: Certificate): { primary: string; secondary: string } {
  const primary = (own[0] ?? leaf).thumbprintSha256;
  return { primary, secondary: own[1]?.thumbprintSha256 ?? primary };
}

/** A device that no enrollment knows. */
export function unknownDevice(
  { registrationId, assumptions }: Pick<X509Evidence, 'registrationId' | 'assumptions'>,
  reason: string,
): DpsError {
  return assumptions.unknownDevice === 'notFound'
    ? new DpsError('enrollmentNotFound', `Registration '${registrationId}' not found.`, reason)
    : refuse('Unauthorized', reason);
}

function refuse(message: string, reason: string): DpsError {
  return new DpsError('unauthorized', message, reason);
}
