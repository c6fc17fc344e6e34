import type { ChainProblem } from './chain-problem.ts';
import { explain, type ChainContext } from './explain.ts';

/** The result of verifyChain; every problem that was found, not only the first. */
export interface ChainVerification {
  isValid: boolean;
  problems: ChainProblem[];
}

/** What verifyChain takes. */
export interface ChainVerificationOptions extends ChainContext {
  /** Device (or authority) first, then its issuers. The root may be left out where trustedRootsPem has it. */
  chainPem: string;
}

/**
 * Whether a chain may be used, and what is wrong with it: the errors of explain, without its warnings and without what Azure
 * says. Never throws for a bad chain.
 *
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE, ERR_PKI_CRL_UNREADABLE: trustedRootsPem or a CRL, since that isn't the
 * chain's fault
 */
export async function verifyChain({ chainPem, ...context }: ChainVerificationOptions): Promise<ChainVerification> {
  const { isValid, findings } = await explain(chainPem, context);
  const problems = findings
    .filter(({ severity }) => severity === 'error')
    .map(({ code, message }): ChainProblem => ({ code, message }));
  return { isValid, problems };
}
