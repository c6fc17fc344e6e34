import { isSameCertificate, isSelfIssued, isSelfSigned } from './chain.ts';
import { problemIf, type FoundProblem } from './chain-problem.ts';
import { isSameName } from './distinguished-name.ts';
import { BasicConstraintsExtension, type X509Certificate } from './engine.ts';

/** The first certificate that issued none of the others; a device's before an authority's. */
export function findLeaf(given: readonly X509Certificate[]): X509Certificate {
  const ends = given.filter(
    (one) => !given.some((other) => !isSameCertificate(other, one) && isSameName(other.issuerName, one.subjectName)),
  );
  const leaf = ends.find((one) => !isAuthority(one)) ?? ends[0] ?? given[0];
  if (!leaf) throw new TypeError('A chain has at least one certificate.');
  return leaf;
}

export function isAuthority(certificate: X509Certificate): boolean {
  return certificate.getExtension(BasicConstraintsExtension)?.ca ?? false;
}

/**
 * How the certificates stand in the file: each one once, the device's first, each followed by its issuer.
 *
 * @param path.whole - up to the root, whatever of it is trusted
 * @param path.isWhole - false: an issuer is missing
 */
export function checkLayout(
  given: readonly X509Certificate[],
  { whole, isWhole }: { whole: readonly X509Certificate[]; isWhole: boolean },
): FoundProblem[] {
  const isRepeated = (certificate: X509Certificate, index: number): boolean =>
    given.slice(0, index).some((earlier) => isSameCertificate(earlier, certificate));
  const repeated = given.filter(isRepeated);
  const single = given.filter((certificate, index) => !isRepeated(certificate, index));
  const isUsed = (certificate: X509Certificate): boolean => whole.some((used) => isSameCertificate(used, certificate));
  const used = single.filter(isUsed);
  const right = whole.flatMap((certificate) => used.find((one) => isSameCertificate(one, certificate)) ?? []);
  const names = right.map(({ subject }) => `"${subject}"`).join(', ');
  const findings = repeated.map((certificate): FoundProblem => ({
    code: 'CHAIN_DUPLICATE',
    message: `"${certificate.subject}" is there twice: take one of them out of the file.`,
    rule: 'file',
    certificate,
  }));
  // While an issuer is missing, nobody can tell what belongs to the chain.
  if (!isWhole) return findings;
  const unrelated = single.filter((certificate) => !isUsed(certificate));
  return [
    ...findings,
    ...unrelated.map((certificate): FoundProblem => ({
      code: 'CHAIN_UNRELATED_CERTIFICATE',
      message: `"${certificate.subject}" is no part of the chain: take it out of the file.`,
      rule: 'file',
      certificate,
    })),
    ...problemIf(!used.every((certificate, index) => certificate === right[index]), {
      code: 'CHAIN_ORDER',
      message: `The certificates are in the wrong order: put them as ${names}.`,
      rule: 'file',
    }),
  ];
}

/** Whether the path comes to an end that can be trusted, and is. */
export function checkEnd(
  path: readonly X509Certificate[],
  isTrusted: ((certificate: X509Certificate) => boolean) | undefined,
): FoundProblem[] {
  const certificate = path.at(-1);
  if (!certificate || isTrusted?.(certificate)) return [];
  const { subject, issuer } = certificate;
  if (isSelfIssued(certificate) && !isSelfSigned(certificate)) return [foreignSelfIssued(certificate)];
  if (!isSelfSigned(certificate)) {
    const message =
      `"${subject}" was issued by "${issuer}", whose certificate is missing: add it after "${subject}". ` +
      'A device has to send its whole chain.';
    return [{ code: 'CHAIN_ISSUER_MISSING', message, rule: 'path', certificate }];
  }
  return problemIf(isTrusted !== undefined, {
    code: 'CHAIN_ROOT_UNTRUSTED',
    message:
      `The chain ends at "${subject}", which is not one of the trusted roots: ` +
      'trust that root, or issue the certificate from one that is trusted.',
    rule: 'path',
    certificate,
  });
}

/** Its key identifiers say so: a root's successor, whose predecessor isn't there, or a forgery. */
function foreignSelfIssued(certificate: X509Certificate): FoundProblem {
  return {
    code: 'CHAIN_SIGNATURE',
    message:
      `"${certificate.subject}" names itself as its issuer, and another key or certificate of that name as its signer: ` +
      "add the certificate of that key's owner, or use the root that signed itself.",
    rule: 'path',
    certificate,
  };
}
