import { findChainFault, trustChain } from '../certificates/certificate-chain.ts';
import { type Certificate, readCertificate } from '../certificates/certificate.ts';

/** A CA certificate of the hub, as the management plane knows it. */
export interface HubCertificateAuthority {
  readonly name: string;
  readonly certificateDer: Uint8Array;
  /** Only a verified one (proof of possession) counts. */
  readonly isVerified: boolean;
}

/** What a certificate is checked against. */
export interface ChainCheck {
  /** DER, leaf first, as the client sent it. */
  readonly presentedChain: readonly Uint8Array[];
  /** What the leaf's CN has to be. */
  readonly commonName: string;
  readonly authorities: readonly HubCertificateAuthority[];
  readonly nowMs: number;
}

/** Undefined where the leaf is one of the thumbprints and in its time, else what is wrong with it. */
export function thumbprintProblem(
  presentedChain: readonly Uint8Array[],
  thumbprints: readonly (string | null)[],
  nowMs: number,
): string | undefined {
  const leaf = presentedChain[0] && readCertificate(presentedChain[0]);
  if (!leaf) return 'no client certificate was presented';
  if (!thumbprints.some((thumbprint) => thumbprint !== null && hasThumbprint(leaf, thumbprint.toUpperCase()))) {
    return `the certificate '${leaf.subject}' (SHA-1 ${leaf.thumbprintSha1}) is none of the identity's thumbprints`;
  }
  return validityProblem(leaf, nowMs);
}

/** The length tells SHA-256 from SHA-1. */
function hasThumbprint(leaf: Certificate, thumbprint: string): boolean {
  return thumbprint === (thumbprint.length === 64 ? leaf.thumbprintSha256 : leaf.thumbprintSha1);
}

/**
 * Undefined where the leaf is the device's and leads to a verified CA of the hub, else what is wrong. The chain has to be
 * presented up to a certificate that such a CA signed, or up to that CA ("Authenticate identities with X.509").
 */
export function chainProblem({ presentedChain, commonName, authorities, nowMs }: ChainCheck): string | undefined {
  const chain = presentedChain.map((der) => readCertificate(der));
  const [leaf] = chain;
  if (!leaf) return 'no client certificate was presented';
  if (leaf.commonName !== commonName) {
    return `the certificate's CN is '${leaf.commonName ?? ''}', the device ID is '${commonName}'`;
  }
  const fault = findChainFault(chain, { nowMs });
  if (fault) return fault.reason;
  const verified = authorities.filter(({ isVerified }) => isVerified);
  const trust = trustChain(
    chain,
    verified.map(({ certificateDer }) => readCertificate(certificateDer)),
    { nowMs },
  );
  if ('certificates' in trust) return undefined;
  if (trust.fault !== 'noVerifiedAuthority') return trust.reason;
  const last = chain.at(-1) ?? leaf;
  return `the presented chain ends at ${last.subject}, issued by ${last.issuer}, and leads to no verified CA of this hub`;
}

/** When the presented leaf ends, in milliseconds since 1970. */
export function certificateEndMs([leaf]: readonly Uint8Array[]): number | undefined {
  return leaf && readCertificate(leaf).notAfterMs;
}

function validityProblem(leaf: Certificate, nowMs: number): string | undefined {
  const { notBeforeMs, notAfterMs } = leaf;
  if (nowMs >= notBeforeMs && nowMs <= notAfterMs) return undefined;
  const [from, to] = [notBeforeMs, notAfterMs].map((time) => new Date(time).toISOString());
  return `the certificate '${leaf.subject}' is valid from ${String(from)} to ${String(to)}`;
}
