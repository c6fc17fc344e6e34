import { parseCertificate, parseCertificates } from './certificate.ts';
import { checkAlgorithms } from './chain-algorithm.ts';
import { checkNameConstraints } from './chain-names.ts';
import { checkIssuer, checkPath, checkPathLength } from './chain-checks.ts';
import { checkDevice, checkRegistration } from './chain-device.ts';
import { checkEnd, checkLayout, findLeaf, isAuthority } from './chain-layout.ts';
import type { ChainProblem, ChainRule, FoundProblem } from './chain-problem.ts';
import { checkProfile } from './chain-profile.ts';
import { checkRevocation } from './chain-revocation.ts';
import { validateWithEngine } from './chain-validation.ts';
import { buildPath } from './chain.ts';
import type { X509Certificate } from './engine.ts';
import { PkiError } from './errors.ts';
import { acceptance, azureAnswers, type AzureAnswer } from './explain-azure.ts';
import { parseCrl } from './life/crl-reading.ts';
import { sortForMending } from './mending-order.ts';
import { readNow } from './validity.ts';

/** What explain may know besides the chain. */
export interface ChainContext {
  /** Authorities that are trusted, PEM; also verified intermediates, at which a chain may end. Default: any root is trusted. */
  trustedRootsPem?: string;
  /** The common name that the device's certificate must have. Default: only the rules for registration IDs are checked. */
  registrationId?: string;
  /** `authority`: the first certificate is a certificate authority's. Default: `device`. */
  purpose?: 'device' | 'authority';
  /** Revocation lists, PEM or DER; each is used for certificates of its issuer. Default: none, nothing counts as revoked. */
  crls?: readonly (string | Uint8Array)[];
  /** Default: now. */
  now?: Date;
}

/** One thing that is wrong. */
export interface ChainFinding extends ChainProblem {
  /** `error`: somebody refuses the chain for it. `warning`: it may be refused, or will make trouble. */
  severity: 'error' | 'warning';
  rule: ChainRule;
  /** Place in the given chain, 0 first; undefined: the chain as a whole, or a certificate out of the trusted ones. */
  certificateIndex: number | undefined;
  azure: AzureAnswer;
}

/** What explain found. */
export interface ChainExplanation {
  /** No errors; there may be warnings. */
  isValid: boolean;
  /** In the order in which to mend them: file, clock, authorities from the root down, device; warnings last. */
  findings: ChainFinding[];
  /** What Azure says to the chain: to its first error, else that it takes it. */
  azure: AzureAnswer;
}

/**
 * Says in words what is wrong with a chain, in the order in which to mend it, and what Azure would say to it. Never throws for
 * a bad chain.
 *
 * The verdict is a path validation after RFC 5280 section 6.1 (pkijs, and what it leaves out: path lengths, key usages,
 * extended key usages of a TLS client), then what TLS, DPS and IoT Hub want of a device.
 *
 * Findings of the rules `path` (and `profile`) are there exactly when `openssl verify -purpose sslclient -policy_check` (with
 * `-x509_strict`) refuses the same certificates; of name constraints (directory and DNS names, e-mail, URI, IP), also where
 * only RFC 5280 section 4.2.1.10 refuses. Not judged: name constraints on other kinds (an error where they concern a name in
 * the chain), policy mapping beyond pkijs's, delta CRLs, OCSP.
 *
 * @param chain - PEM, or DER certificates; device (or authority) first, then its issuers. The root may be left out where
 * trustedRootsPem has it
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_CRL_UNREADABLE: trustedRootsPem or a CRL, since that isn't the
 * chain's fault
 */
export async function explain(
  chain: string | readonly Uint8Array[],
  context: ChainContext = {},
): Promise<ChainExplanation> {
  const now = readNow(context.now);
  const trusted = context.trustedRootsPem === undefined ? undefined : parseCertificates(context.trustedRootsPem);
  const crls = (context.crls ?? []).map((crl) => parseCrl(crl));
  const given = readChain(chain);
  const found = Array.isArray(given)
    ? await findProblems(given, {
        trusted,
        crls,
        now,
        registrationId: context.registrationId,
        purpose: context.purpose,
      })
    : { problems: [given], path: [] };
  return describe(found, Array.isArray(given) ? given : []);
}

/** Chains have three or four; each more is compared with all others. */
const mostCertificates = 100;

function tooMany(count: number): FoundProblem {
  const message = `The chain has ${count} certificates, and up to ${mostCertificates} are looked at: give the device's and its issuers' alone.`;
  return { code: 'CHAIN_UNREADABLE', message, rule: 'file' };
}

type Found = { problems: FoundProblem[]; path: readonly X509Certificate[] };

interface Question {
  trusted: readonly X509Certificate[] | undefined;
  crls: readonly ReturnType<typeof parseCrl>[];
  now: Date;
  registrationId: string | undefined;
  purpose: ChainContext['purpose'];
}

function readChain(chain: string | readonly Uint8Array[]): X509Certificate[] | FoundProblem {
  if (typeof chain !== 'string' && !Array.isArray(chain)) {
    throw new TypeError('chain must be a PEM string or an array of DER certificates.');
  }
  const isEmpty = typeof chain === 'string' ? chain.trim() === '' : chain.length === 0;
  if (isEmpty) {
    const message = "The chain is empty: give the device's certificate and its issuers.";
    return { code: 'CHAIN_EMPTY', message, rule: 'file' };
  }
  try {
    const certificates: X509Certificate[] =
      typeof chain === 'string'
        ? parseCertificates(chain)
        : chain.map((der: Uint8Array, index) => parseCertificate(der, index));
    return certificates.length > mostCertificates ? tooMany(certificates.length) : certificates;
  } catch (error) {
    if (error instanceof PkiError) return { code: 'CHAIN_UNREADABLE', message: error.message, rule: 'file' };
    throw error;
  }
}

async function findProblems(given: readonly X509Certificate[], question: Question): Promise<Found> {
  const { trusted, now, purpose = 'device' } = question;
  const isTrusted = trusted && ((certificate: X509Certificate): boolean => trusted.some((t) => t.equal(certificate)));
  const leaf = findLeaf(given);
  const pool = [...given, ...(trusted ?? [])];
  const path = buildPath(leaf, pool, { isTrusted: isTrusted ?? (() => false), now });
  // What stands above a trusted certificate is of no account, but may be sent.
  const whole = [...path, ...buildPath(path.at(-1) ?? leaf, pool).slice(1)];
  const end = path.at(-1) ?? leaf;
  const endProblems = checkEnd(path, isTrusted);
  const isWhole = !endProblems.some(({ code }) => code === 'CHAIN_ISSUER_MISSING');
  const problems = [
    ...checkLayout(given, { whole, isWhole }),
    ...endProblems,
    ...checkPath(path, { now, isEndTrusted: isTrusted?.(end) ?? false }),
    ...checkNameConstraints(path),
    ...checkRevocation(path, question.crls, now),
    ...(purpose === 'device' ? checkDevice(leaf, question.registrationId) : checkAuthority(leaf, path, question)),
    ...checkProfile(path),
    ...checkAlgorithms(path),
  ];
  const isPathRight = !problems.some(({ rule, code }) => rule === 'path' || code === 'CHAIN_CA_FLAG');
  return { problems: isPathRight ? [...problems, ...(await validateWithEngine(path, now))] : problems, path };
}

/** An authority at the end of its chain is going to issue: it has to be fit for that. */
function checkAuthority(
  leaf: X509Certificate,
  path: readonly X509Certificate[],
  { registrationId }: Question,
): FoundProblem[] {
  return [
    ...checkIssuer(leaf, 'azure'),
    ...path.slice(1).flatMap((certificate, index) => {
      const below = path.slice(0, index + 1);
      const isToldAlready = checkPathLength(certificate, below.slice(1)).length > 0;
      return isToldAlready || !isAuthority(leaf) ? [] : checkPathLength(certificate, below, 'azure');
    }),
    ...(registrationId === undefined ? [] : checkRegistration(leaf, registrationId)),
  ];
}

function describe({ problems, path }: Found, given: readonly X509Certificate[]): ChainExplanation {
  const findings = sortForMending(problems, path).map(
    ({ code, message, rule, isWarning, certificate }): ChainFinding => {
      const index = given.findIndex((one) => certificate?.equal(one));
      return {
        code,
        message,
        severity: isWarning ? 'warning' : 'error',
        rule,
        certificateIndex: index === -1 ? undefined : index,
        azure: azureAnswers[code],
      };
    },
  );
  const first = findings.find(({ severity }) => severity === 'error');
  return { isValid: first === undefined, findings, azure: first?.azure ?? acceptance };
}
