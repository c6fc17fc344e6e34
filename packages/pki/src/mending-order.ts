import type { ChainProblemCode, FoundProblem } from './chain-problem.ts';
import type { X509Certificate } from './engine.ts';

/** Within one certificate; what is said first often explains the rest. */
const codes: readonly ChainProblemCode[] = [
  'CHAIN_EMPTY',
  'CHAIN_UNREADABLE',
  'CHAIN_DUPLICATE',
  'CHAIN_UNRELATED_CERTIFICATE',
  'CHAIN_ORDER',
  'CHAIN_ISSUER_MISSING',
  'CHAIN_NOT_YET_VALID',
  'CHAIN_SIGNATURE',
  'CHAIN_KEY_IDENTIFIER',
  'CHAIN_ROOT_UNTRUSTED',
  'CHAIN_CONSTRAINT',
  'CHAIN_CA_FLAG',
  'CHAIN_KEY_USAGE',
  'CHAIN_EXTENDED_KEY_USAGE',
  'CHAIN_PATH_LENGTH',
  'CHAIN_CRITICAL_EXTENSION',
  'CHAIN_CRL',
  'CHAIN_REVOKED',
  'CHAIN_EXPIRED',
  'CHAIN_REGISTRATION_ID',
  'CHAIN_REGISTRATION_ID_CASE',
  'CHAIN_SELF_SIGNED',
  'CHAIN_ALGORITHM',
  'CHAIN_PROFILE',
];

/** Mended by editing the file, or by setting a clock, without a new certificate. */
const first: ReadonlySet<ChainProblemCode> = new Set([
  'CHAIN_EMPTY',
  'CHAIN_UNREADABLE',
  'CHAIN_DUPLICATE',
  'CHAIN_UNRELATED_CERTIFICATE',
  'CHAIN_ORDER',
  'CHAIN_ISSUER_MISSING',
  'CHAIN_NOT_YET_VALID',
]);

/**
 * In the order in which to mend: errors before warnings; what needs no new certificate; then authorities from the root down,
 * since a new one means new certificates below it; the device last.
 *
 * @param path - device first
 */
export function sortForMending(
  problems: readonly FoundProblem[],
  path: readonly X509Certificate[],
): readonly FoundProblem[] {
  const rank = ({ code, isWarning, certificate }: FoundProblem): readonly number[] => {
    const place = path.findIndex((one) => certificate?.equal(one));
    const isFirst = first.has(code);
    return [isWarning ? 1 : 0, isFirst ? 0 : 1, isFirst ? codes.indexOf(code) : -place, codes.indexOf(code)];
  };
  return problems
    .map((problem) => ({ problem, key: rank(problem) }))
    .sort((one, other) => compare(one.key, other.key))
    .map(({ problem }) => problem);
}

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((part, index) => part !== other[index]);
  return at === -1 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}
