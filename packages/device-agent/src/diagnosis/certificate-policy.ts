import type { X509Certificate } from 'node:crypto';
import { BitString } from 'asn1js';
import { Certificate } from 'pkijs';

/** What Node's certificate doesn't tell. */
export interface CertificatePolicy {
  /** Key usage has digitalSignature (RFC 5280 section 4.2.1.3), or there is no such extension. */
  readonly maySign: boolean;
  /** `md5`, `sha1`; empty for any other. */
  readonly signatureHash: string;
}

const keyUsage = '2.5.29.15';

const weakSignatures: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'md5',
  '1.2.840.113549.1.1.5': 'sha1',
  '1.2.840.10045.4.1': 'sha1',
};

export function certificatePolicy({ raw }: X509Certificate): CertificatePolicy {
  const certificate = Certificate.fromBER(Uint8Array.from(raw).buffer);
  const usage: unknown = certificate.extensions?.find(({ extnID }) => extnID === keyUsage)?.parsedValue;
  const firstByte = usage instanceof BitString ? (usage.valueBlock.valueHexView[0] ?? 0) : 0x80;
  return {
    maySign: (firstByte & 0x80) !== 0,
    signatureHash: weakSignatures[certificate.signatureAlgorithm.algorithmId] ?? '',
  };
}
