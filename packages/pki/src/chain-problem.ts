/** What can be wrong with a chain. */
export type ChainProblemCode =
  | 'CHAIN_UNREADABLE'
  | 'CHAIN_ORDER'
  | 'CHAIN_ISSUER_MISSING'
  | 'CHAIN_UNRELATED_CERTIFICATE'
  | 'CHAIN_SIGNATURE'
  | 'CHAIN_EXPIRED'
  | 'CHAIN_NOT_YET_VALID'
  | 'CHAIN_CA_FLAG'
  | 'CHAIN_KEY_USAGE'
  | 'CHAIN_EXTENDED_KEY_USAGE'
  | 'CHAIN_PATH_LENGTH'
  | 'CHAIN_CRITICAL_EXTENSION'
  | 'CHAIN_REGISTRATION_ID'
  | 'CHAIN_ROOT_UNTRUSTED';

/** One thing that is wrong, in words: the certificate's subject, what was expected and found, what to do. */
export interface ChainProblem {
  code: ChainProblemCode;
  message: string;
}
