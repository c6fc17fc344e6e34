import { type Certificate, isIssuedBy } from '../certificates/certificate.ts';
import { ProviderError } from './arm-error.ts';

/** What a verification certificate has to show. */
export interface ProofExpectation {
  readonly authority: Certificate;
  /** Undefined where none was generated since the last upload or verification. */
  readonly verificationCode: string | undefined;
  /** Unix milliseconds; undefined where its validity isn't looked at. */
  readonly nowMs: number | undefined;
}

/**
 * Proof of possession: the certificate is signed by the uploaded authority, in its time, and its common name is the code.
 *
 * @throws {ProviderError} proofOfPossession
 */
export function checkProofOfPossession(proof: Certificate, expected: ProofExpectation): void {
  const { authority, verificationCode, nowMs } = expected;
  if (!isIssuedBy(proof, authority)) {
    throw failed(`Issuer certificate '${authority.subject}' cannot be found in the certificate chain.`);
  }
  if (verificationCode === undefined) throw failed('No verification code has been generated for this certificate.');
  // What follows is assumed: no recorded answer shows a certificate of the right issuer being refused.
  if (proof.commonName?.toUpperCase() !== verificationCode) {
    throw failed(`The subject '${proof.subject}' of the certificate does not match the verification code.`);
  }
  if (nowMs !== undefined && (nowMs < proof.notBeforeMs || nowMs > proof.notAfterMs)) {
    throw failed(`The verification certificate '${proof.subject}' is not in its validity period.`);
  }
}

function failed(text: string): ProviderError {
  return new ProviderError('proofOfPossession', `Proof-Of-Possession failed. ${text}`);
}
