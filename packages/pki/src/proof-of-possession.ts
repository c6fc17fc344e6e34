import { signerOf, type CertificateAuthority } from './authority.ts';
import { describeCertificate } from './certificate.ts';
import { signCertificate } from './certificate-signing.ts';
import { commonNameOnly } from './distinguished-name.ts';
import { generateKeyPair, publicKeyToDer } from './private-key.ts';
import { endEntityExtensions } from './profile.ts';
import { planValidity } from './validity.ts';

/** One certificate, in both forms in which DPS and its tools take it. */
export interface ProofOfPossession {
  certificatePem: string;
  certificateDer: Uint8Array;
}

/**
 * Shows that we hold an authority's key: a certificate whose common name is the verification code that DPS gave, signed
 * by that authority. Valid for a day; its own key is thrown away, since nobody has to use it.
 *
 * @param verificationCode - as DPS returned it, 1 to 64 characters
 * @throws {PkiError} ERR_PKI_COMMON_NAME: the code can't be a common name
 * @throws {PkiError} ERR_PKI_ISSUER_NOT_VALID: the authority has expired
 */
export async function createProofOfPossession(
  authority: CertificateAuthority,
  verificationCode: string,
  options: { now?: Date } = {},
): Promise<ProofOfPossession> {
  const signer = signerOf(authority);
  const subject = commonNameOnly(verificationCode);
  const validity = planValidity({ validityDays: 1, now: options.now, issuer: signer.certificate });
  const { publicKey } = await generateKeyPair('P-256');
  const publicKeyDer = publicKeyToDer(publicKey);
  const extensions = endEntityExtensions();
  const certificate = await signCertificate(signer, { subject, publicKeyDer, validity, extensions });
  return {
    certificatePem: describeCertificate(certificate).certificatePem,
    certificateDer: new Uint8Array(certificate.rawData),
  };
}
