import type { X509Certificate } from './engine.ts';

/** What can be wrong with a chain. */
export type ChainProblemCode =
  | 'CHAIN_EMPTY'
  | 'CHAIN_UNREADABLE'
  | 'CHAIN_DUPLICATE'
  | 'CHAIN_UNRELATED_CERTIFICATE'
  | 'CHAIN_ORDER'
  | 'CHAIN_ISSUER_MISSING'
  | 'CHAIN_NOT_YET_VALID'
  | 'CHAIN_EXPIRED'
  | 'CHAIN_SIGNATURE'
  | 'CHAIN_KEY_IDENTIFIER'
  | 'CHAIN_CA_FLAG'
  | 'CHAIN_KEY_USAGE'
  | 'CHAIN_EXTENDED_KEY_USAGE'
  | 'CHAIN_PATH_LENGTH'
  | 'CHAIN_CRITICAL_EXTENSION'
  | 'CHAIN_CONSTRAINT'
  | 'CHAIN_CRL'
  | 'CHAIN_REVOKED'
  | 'CHAIN_REGISTRATION_ID'
  | 'CHAIN_REGISTRATION_ID_CASE'
  | 'CHAIN_ROOT_UNTRUSTED'
  | 'CHAIN_SELF_SIGNED'
  | 'CHAIN_ALGORITHM'
  | 'CHAIN_PROFILE';

/** One thing that is wrong, in words: the certificate's subject, what was expected and found, what to do. */
export interface ChainProblem {
  code: ChainProblemCode;
  message: string;
}

/**
 * Whose rule it is: `file`, how the chain has to be sent (RFC 5246 section 7.4.2); `path`, path validation (RFC 5280 section
 * 6, for a TLS client); `profile`, what RFC 5280 demands of issuers and most verifiers let pass; `azure`, what TLS, DPS and
 * IoT Hub want of a device.
 */
export type ChainRule = 'file' | 'path' | 'profile' | 'azure';

/** A problem on its way to a person. */
export interface FoundProblem extends ChainProblem {
  rule: ChainRule;
  /** Nothing refuses it for certain: it is told, and the chain still counts as valid. */
  isWarning?: boolean;
  /** Which certificate it is about; undefined: the chain as a whole. */
  certificate?: X509Certificate;
}

/** For lists of checks: the problem, or nothing. */
export function problemIf(isWrong: boolean, problem: FoundProblem): FoundProblem[] {
  return isWrong ? [problem] : [];
}
