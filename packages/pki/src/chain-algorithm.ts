import type { KeyObject } from 'node:crypto';
import { isSelfSigned } from './chain.ts';
import { certificateSchema, publicKeyOf } from './certificate.ts';
import { problemIf, type FoundProblem } from './chain-problem.ts';
import type { X509Certificate } from './engine.ts';

/** Keys that Microsoft's documents, samples or engineers use with DPS or IoT Hub. */
const knownCurves: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1']);

/** Signature algorithms by OID (RFC 3279, 4055, 5758). */
const goodSignatures: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256WithRSAEncryption'],
  ['1.2.840.113549.1.1.12', 'sha384WithRSAEncryption'],
  ['1.2.840.113549.1.1.13', 'sha512WithRSAEncryption'],
  ['1.2.840.10045.4.3.2', 'ecdsa-with-SHA256'],
  ['1.2.840.10045.4.3.3', 'ecdsa-with-SHA384'],
  ['1.2.840.10045.4.3.4', 'ecdsa-with-SHA512'],
]);
const brokenSignatures: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'md5WithRSAEncryption'],
  ['1.2.840.113549.1.1.5', 'sha1WithRSAEncryption'],
  ['1.2.840.10045.4.1', 'ecdsa-with-SHA1'],
]);

/** Algorithms that Azure is not known to take. Microsoft publishes no list, so that these are warnings. */
export function checkAlgorithms(path: readonly X509Certificate[]): FoundProblem[] {
  return path.flatMap((certificate, index) => [
    ...tell(certificate, describeKey(certificate)),
    // Nobody checks the signature of a root that is trusted for itself.
    ...(index === path.length - 1 && isSelfSigned(certificate)
      ? []
      : tell(certificate, describeSignature(certificate))),
  ]);
}

function tell(certificate: X509Certificate, oddity: string | undefined): FoundProblem[] {
  return problemIf(oddity !== undefined, {
    code: 'CHAIN_ALGORITHM',
    message: `"${certificate.subject}" ${oddity ?? ''}: issue it again with a P-256, P-384 or RSA-2048 (-3072, -4096) key and SHA-256 or SHA-384.`,
    rule: 'azure',
    isWarning: true,
    certificate,
  });
}

function describeKey(certificate: X509Certificate): string | undefined {
  let key: KeyObject;
  try {
    key = publicKeyOf(certificate);
  } catch {
    return 'has a key of an unknown kind';
  }
  const { namedCurve = 'an unnamed curve', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') {
    return knownCurves.has(namedCurve) ? undefined : `has a key on ${namedCurve}, which Azure is not known to take`;
  }
  if (key.asymmetricKeyType !== 'rsa') {
    return `has a key of the kind ${key.asymmetricKeyType ?? 'unknown'}, which Azure is not known to take`;
  }
  if (modulusLength < 2048) return `has an RSA key of ${modulusLength} bits, which is too weak for today's TLS`;
  return modulusLength > 4096 ? `has an RSA key of ${modulusLength} bits, more than Azure is known to take` : undefined;
}

function describeSignature(certificate: X509Certificate): string | undefined {
  const oid = certificateSchema(certificate).signatureAlgorithm.algorithm;
  const broken = brokenSignatures.get(oid);
  if (broken !== undefined) return `is signed with ${broken}, which can be forged and which today's TLS refuses`;
  return goodSignatures.has(oid) ? undefined : `is signed with ${oid}, which Azure is not known to take`;
}
