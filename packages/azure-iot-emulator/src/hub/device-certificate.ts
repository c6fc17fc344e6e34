import { X509Certificate } from 'node:crypto';
import { findChainFault, trustChain } from '../dps/certificate-chain.ts';
import { readCertificate } from '../dps/certificate.ts';

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
  const leaf = presentedChain[0] && new X509Certificate(presentedChain[0]);
  if (!leaf) return 'no client certificate was presented';
  const found = [leaf.fingerprint, leaf.fingerprint256].map((print) => print.replaceAll(':', ''));
  if (!thumbprints.some((thumbprint) => thumbprint !== null && found.includes(thumbprint.toUpperCase()))) {
    return `the certificate '${subjectOf(leaf)}' (SHA-1 ${found[0] ?? ''}) is none of the identity's thumbprints`;
  }
  return validityProblem(leaf, nowMs);
}

/**
 * Undefined where the leaf is the device's and leads to a verified CA of the hub, else what is wrong. The chain has to be
 * presented up to a certificate that such a CA signed, or up to that CA ("Authenticate identities with X.509").
 */
export async function chainProblem(check: ChainCheck): Promise<string | undefined> {
  const { presentedChain, commonName, authorities, nowMs } = check;
  const chain = presentedChain.map((der) => readCertificate(der));
  const [leaf] = chain;
  if (!leaf) return 'no client certificate was presented';
  if (leaf.commonName !== commonName) {
    return `the certificate's CN is '${leaf.commonName ?? ''}', the device ID is '${commonName}'`;
  }
  const verified = authorities.filter(({ isVerified }) => isVerified);
  const fault = await findChainFault(chain, { nowMs });
  if (fault) return fault.reason;
  const trust = await trustChain(
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
  return leaf && Date.parse(new X509Certificate(leaf).validTo);
}

function validityProblem(certificate: X509Certificate, nowMs: number): string | undefined {
  const { validFrom, validTo } = certificate;
  if (nowMs >= Date.parse(validFrom) && nowMs <= Date.parse(validTo)) return undefined;
  return `the certificate '${subjectOf(certificate)}' is valid from ${validFrom} to ${validTo}`;
}

function subjectOf(certificate: X509Certificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}
