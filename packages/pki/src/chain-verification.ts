import { parseCertificates } from './certificate.ts';
import { checkCertificate, checkLeaf, checkRegistration } from './chain-checks.ts';
import type { ChainProblem, ChainProblemCode } from './chain-problem.ts';
import { buildPath, isSelfIssued, isSignedBy } from './chain.ts';
import { BasicConstraintsExtension, type X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { readNow } from './validity.ts';

/** The result of verifyChain; every problem that was found, not only the first. */
export interface ChainVerification {
  isValid: boolean;
  problems: ChainProblem[];
}

/** What verifyChain takes. */
export interface ChainVerificationOptions {
  /** Device (or authority) first, then its issuers. The root may be left out where trustedRootsPem has it. */
  chainPem: string;
  /** Authorities that are trusted; also verified intermediates, at which a chain may end. Default: any root is trusted. */
  trustedRootsPem?: string;
  /** The common name that the device's certificate must have. Default: not checked. */
  registrationId?: string;
  /** `authority`: the first certificate is a certificate authority's. Default: `device`. */
  purpose?: 'device' | 'authority';
  /** Default: now. */
  now?: Date;
}

/**
 * Says in words what is wrong with a chain: RFC 5280 section 6.1 for what we issue (no policies, no name constraints, no
 * revocation), and what DPS wants of a device. Never throws for a bad chain.
 *
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE: trustedRootsPem, since that isn't the chain's fault
 */
export async function verifyChain(options: ChainVerificationOptions): Promise<ChainVerification> {
  const now = readNow(options.now);
  const trusted = options.trustedRootsPem === undefined ? undefined : parseCertificates(options.trustedRootsPem);
  const given = readChain(options.chainPem);
  const problems = given instanceof PkiError ? [unreadable(given)] : await findProblems(given, trusted, options, now);
  return { isValid: problems.length === 0, problems };
}

function readChain(pem: string): X509Certificate[] | PkiError {
  try {
    return parseCertificates(pem);
  } catch (error) {
    if (error instanceof PkiError) return error;
    throw error;
  }
}

function unreadable(error: PkiError): ChainProblem {
  return { code: 'CHAIN_UNREADABLE', message: error.message };
}

async function findProblems(
  given: readonly X509Certificate[],
  trusted: readonly X509Certificate[] | undefined,
  { registrationId, purpose = 'device' }: ChainVerificationOptions,
  now: Date,
): Promise<ChainProblem[]> {
  const isTrusted = (certificate: X509Certificate): boolean => trusted?.some((t) => t.equal(certificate)) ?? false;
  const leaf = findLeaf(given);
  const whole = await buildPath(leaf, [...given, ...(trusted ?? [])]);
  // What stands above a trusted certificate is of no account.
  const anchor = whole.findIndex(isTrusted);
  const path = anchor === -1 ? whole : whole.slice(0, anchor + 1);
  const end = path.at(-1) ?? leaf;
  const isComplete = isSelfIssued(end) || isTrusted(end);
  return [
    ...(isComplete ? checkOrder(given, whole) : [missingIssuer(end)]),
    ...(isComplete && trusted && !isTrusted(end) ? [untrusted(end)] : []),
    ...(await checkSignatures(path, isTrusted(end))),
    ...path.flatMap((certificate, index) => checkCertificate(certificate, { now, isIssuer: index > 0 })),
    ...checkPathLengths(path, purpose === 'authority' ? 0 : 1),
    ...checkLeaf(leaf, purpose),
    ...(registrationId === undefined ? [] : checkRegistration(leaf, registrationId)),
  ];
}

/** The first certificate that issued none of the others; a device's before an authority's. */
function findLeaf(given: readonly X509Certificate[]): X509Certificate {
  const ends = given.filter((one) => !given.some((other) => other !== one && other.issuer === one.subject));
  const leaf = ends.find((one) => !isAuthority(one)) ?? ends[0] ?? given[0];
  if (!leaf) throw new TypeError('A chain has at least one certificate.');
  return leaf;
}

function checkOrder(given: readonly X509Certificate[], path: readonly X509Certificate[]): ChainProblem[] {
  const used = given.filter((certificate) => path.includes(certificate));
  const unrelated = given.filter((certificate) => !path.includes(certificate));
  const right = path.filter((certificate) => given.includes(certificate));
  const names = right.map(({ subject }) => `"${subject}"`).join(', ');
  return [
    ...(used.every((certificate, index) => certificate === right[index])
      ? []
      : [problem('CHAIN_ORDER', `The certificates are in the wrong order: put them as ${names}.`)]),
    ...unrelated.map(({ subject }) =>
      problem(
        'CHAIN_UNRELATED_CERTIFICATE',
        `"${subject}" is no part of the chain, or is there twice: take it out of the file.`,
      ),
    ),
  ];
}

function missingIssuer({ subject, issuer }: X509Certificate): ChainProblem {
  return problem(
    'CHAIN_ISSUER_MISSING',
    `"${subject}" was issued by "${issuer}", whose certificate is missing: add it after "${subject}". ` +
      'A device has to send its whole chain.',
  );
}

function untrusted({ subject }: X509Certificate): ChainProblem {
  return problem(
    'CHAIN_ROOT_UNTRUSTED',
    `The chain ends at "${subject}", which is not one of the trusted roots: ` +
      'trust that root, or issue the certificate from one that is trusted.',
  );
}

/** A trusted end needs no proof of its own; an untrusted root has to have signed itself. */
async function checkSignatures(path: readonly X509Certificate[], isEndTrusted: boolean): Promise<ChainProblem[]> {
  const problems: ChainProblem[] = [];
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1] ?? (isSelfIssued(certificate) && !isEndTrusted ? certificate : undefined);
    if (!issuer || (await isSignedBy(certificate, issuer))) continue;
    problems.push(
      problem(
        'CHAIN_SIGNATURE',
        `"${certificate.subject}" was not signed by the key of the "${issuer.subject}" in this chain: ` +
          'either it was altered, or another authority of that name signed it. Use the certificate of the one that did.',
      ),
    );
  }
  return problems;
}

/**
 * RFC 5280 section 4.2.1.9: authorities between this one and the end count, and not self-issued ones. An authority at the
 * end counts too, if it is to issue (`first` 0).
 */
function checkPathLengths(path: readonly X509Certificate[], first: 0 | 1): ChainProblem[] {
  return path.flatMap((certificate, index) => {
    const limit = certificate.getExtension(BasicConstraintsExtension)?.pathLength;
    const below = path.slice(first, index).filter((between) => isAuthority(between) && !isSelfIssued(between)).length;
    if (limit === undefined || index === 0 || below <= limit) return [];
    const message =
      `"${certificate.subject}" allows ${limit} authorities below it and has ${below}: ` +
      'issue from an authority higher up, or make a root with a larger path length.';
    return [problem('CHAIN_PATH_LENGTH', message)];
  });
}

function isAuthority(certificate: X509Certificate): boolean {
  return certificate.getExtension(BasicConstraintsExtension)?.ca ?? false;
}

function problem(code: ChainProblemCode, message: string): ChainProblem {
  return { code, message };
}
