import { type Certificate, isIssuedBy, isSameCertificate, isSelfSigned } from './certificate.ts';

/** Why a presented chain isn't good enough, in words for the emulator's log. */
export interface ChainFault {
  readonly fault: 'broken' | 'notInTime' | 'notAnAuthority' | 'noVerifiedAuthority';
  readonly reason: string;
}

/** What is left to choice in judging a chain. */
export interface ChainRules {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Default `enforce`. */
  readonly pathLength?: 'enforce' | 'ignore';
  /** Of the verified authority itself; default `refuse`. */
  readonly expiredAuthority?: 'refuse' | 'accept';
}

/** A chain that holds: the certificates from the leaf up to a verified authority, which is the last one. */
export interface TrustedChain {
  readonly certificates: readonly Certificate[];
}

/**
 * RFC 5280 section 6 as far as Azure is known to look: each certificate is issued by the next, all are in their time,
 * issuers are authorities within their path length.
 *
 * @param chain - leaf first, as presented
 * @param rules - the time, and what is left to choice
 * @returns undefined where the chain holds together
 */
export function findChainFault(chain: readonly Certificate[], rules: ChainRules): ChainFault | undefined {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    const fault =
      timeFault(certificate, rules.nowMs) ??
      authorityFault(certificate, index, rules) ??
      issuerFault(certificate, issuer);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function timeFault(certificate: Certificate, nowMs: number): ChainFault | undefined {
  const { notBeforeMs, notAfterMs } = certificate;
  if (nowMs < notBeforeMs) {
    return {
      fault: 'notInTime',
      reason: `${certificate.subject} is not valid before ${new Date(notBeforeMs).toISOString()}`,
    };
  }
  if (nowMs > notAfterMs) {
    return { fault: 'notInTime', reason: `${certificate.subject} expired at ${new Date(notAfterMs).toISOString()}` };
  }
  return undefined;
}

/** `index` counts from the leaf, so that `index - 1` intermediates stand below an authority. */
function authorityFault(certificate: Certificate, index: number, { pathLength }: ChainRules): ChainFault | undefined {
  if (index === 0) return undefined;
  if (!certificate.isAuthority) {
    return { fault: 'notAnAuthority', reason: `${certificate.subject} is no certificate authority (basicConstraints)` };
  }
  if (pathLength !== 'ignore' && certificate.pathLength !== undefined && index - 1 > certificate.pathLength) {
    return {
      fault: 'notAnAuthority',
      reason: `${certificate.subject} allows ${certificate.pathLength} intermediates below it, ${index - 1} were presented`,
    };
  }
  return undefined;
}

function issuerFault(certificate: Certificate, issuer: Certificate | undefined): ChainFault | undefined {
  if (issuer === undefined || isIssuedBy(certificate, issuer)) return undefined;
  return {
    fault: 'broken',
    reason: `${certificate.subject} is not signed by the next certificate presented, ${issuer.subject}`,
  };
}

/**
 * Follows a chain without fault up to its topmost verified authority: the issuer of the last certificate presented (the
 * service has it, so that a device may leave it out), or one that was presented.
 */
export function trustChain(
  chain: readonly Certificate[],
  verifiedAuthorities: readonly Certificate[],
  rules: ChainRules,
): TrustedChain | ChainFault {
  const isVerified = (certificate: Certificate) =>
    verifiedAuthorities.some((authority) => isSameCertificate(authority, certificate));
  const last = chain.at(-1);
  const issuer = last && !isVerified(last) ? findIssuer(last, verifiedAuthorities) : undefined;
  if (issuer !== undefined) {
    const expired = rules.expiredAuthority === 'accept' ? undefined : timeFault(issuer, rules.nowMs);
    const fault = expired ?? authorityFault(issuer, chain.length, rules);
    return fault ?? { certificates: [...chain, issuer] };
  }
  const top = chain.findLastIndex((certificate, index) => index > 0 && isVerified(certificate));
  if (top > 0) return { certificates: chain.slice(0, top + 1) };
  return { fault: 'noVerifiedAuthority', reason: untrustedReason(last) };
}

function findIssuer(certificate: Certificate, authorities: readonly Certificate[]): Certificate | undefined {
  for (const authority of authorities) {
    if (isIssuedBy(certificate, authority)) return authority;
  }
  return undefined;
}

function untrustedReason(last: Certificate | undefined): string {
  if (last === undefined) return 'no certificate was presented';
  return isSelfSigned(last)
    ? `the presented chain ends at ${last.subject}, which is no verified certificate here`
    : `the presented chain ends at ${last.subject}, and its issuer ${last.issuer} is no verified certificate here: ` +
        'an intermediate is missing from the chain, or the root is not uploaded and verified';
}
