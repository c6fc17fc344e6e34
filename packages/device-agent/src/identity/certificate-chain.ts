import { X509Certificate } from 'node:crypto';
import { DeviceAgentError } from '../errors.ts';
import { oneLine } from '../network/certificate-facts.ts';

/** A device's certificate and its issuers, each after the one that it issued. */
export interface CertificateChain {
  readonly certificates: readonly X509Certificate[];
  /** Subjects of what stood beside them and doesn't belong to the chain. */
  readonly leftOut: readonly string[];
}

/** What was read last, by its text: the devices of a process have their issuers in common, and reading takes OpenSSL 0.1 ms. */
const readBefore = new Map<string, X509Certificate>();
const mostRemembered = 32;

function readCertificate(block: string): X509Certificate {
  const certificate = readBefore.get(block) ?? new X509Certificate(block);
  // The oldest goes; one that is read again is new.
  readBefore.delete(block);
  readBefore.set(block, certificate);
  const [oldest] = readBefore.keys();
  if (oldest !== undefined && readBefore.size > mostRemembered) readBefore.delete(oldest);
  return certificate;
}

/**
 * @param pem - any number of `CERTIFICATE` blocks; text around them is skipped
 * @throws {DeviceAgentError} ERR_AGENT_IDENTITY_INVALID
 */
export function readCertificates(pem: string, label: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map(readCertificate);
  } catch (cause) {
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_INVALID', `${label} holds a damaged certificate.`, {
      cause,
      advice: 'Export it again.',
    });
  }
}

/** Issuer after issuer (RFC 5246 section 7.4.2 wants that order); certificates that don't belong to it are left out. */
export function orderChain(leaf: X509Certificate, certificates: readonly X509Certificate[]): CertificateChain {
  const others = new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate]));
  const chain: X509Certificate[] = [];
  for (let current: X509Certificate | undefined = leaf; current; current = findIssuer(current, others.values())) {
    others.delete(current.fingerprint256);
    chain.push(current);
  }
  return { certificates: chain, leftOut: [...others.values()].map(({ subject }) => oneLine(subject)) };
}

function findIssuer(issued: X509Certificate, candidates: Iterable<X509Certificate>): X509Certificate | undefined {
  for (const candidate of candidates) {
    if (issued.checkIssued(candidate) && issued.verify(candidate.publicKey)) return candidate;
  }
  return undefined;
}

/** The registration ID that DPS reads from a certificate; undefined where its subject has no CN. */
export function commonNameOf(certificate: X509Certificate): string | undefined {
  return /^CN=(.+)$/m.exec(certificate.subject)?.[1];
}

/** 64 (SHA-256) or 40 (SHA-1) upper-case hex digits out of Node's form with colons. */
export function toThumbprint(fingerprint: string): string {
  return fingerprint.replaceAll(':', '');
}
