import { signLine, type CertificateAuthority } from './authority.ts';
import { chainToPem, describeCertificate, type CertificateDetails } from './certificate.ts';
import { commonNameOnly } from './distinguished-name.ts';
import { PkiError } from './errors.ts';
import { readRequest, signRequest } from './request-signature.ts';
import type { SigningKey } from './signing-key.ts';

/** What signAuthorityRequest takes besides the request. */
export interface AuthorityRequestOptions {
  /** The line that the request must be for, as agreed on by another way than the request's own. */
  lineName: string;
  /** Default 1825. Cut to the root's validity. */
  validityDays?: number;
  /** Default: now. */
  now?: Date;
}

/** A line authority's certificate, on its way back to where the key is. */
export interface AuthorityCertificate extends CertificateDetails {
  /** The line authority, then its issuers up to the root: what openAuthority takes. */
  chainPem: string;
}

/**
 * Asks for the certificate of a line authority (PKCS#10, RFC 2986), signed by the line's key wherever it is: the root signs
 * the request elsewhere, and never has to be online.
 *
 * @param options.lineName - becomes the common name; 1 to 64 characters
 * @returns PEM, label `CERTIFICATE REQUEST`
 * @throws {PkiError} ERR_PKI_COMMON_NAME; ERR_PKI_CUSTODY_* where the key is in an HSM or a vault
 */
export async function createAuthorityRequest(key: SigningKey, options: { lineName: string }): Promise<string> {
  return signRequest(key, commonNameOnly(options.lineName));
}

/**
 * Signs the certificate of a line authority whose key is elsewhere: as createLineAuthority, path length 0.
 *
 * Only the common name and the public key are taken from the request, whatever else it asks for.
 *
 * @param csr - PEM (`CERTIFICATE REQUEST`) or DER
 * @throws {PkiError} ERR_PKI_CSR_SUBJECT: for another line than expected; no common name, or several
 * @throws {PkiError} ERR_PKI_CSR_SIGNATURE: not signed with the key that it carries, and SHA-2
 * @throws {PkiError} ERR_PKI_CSR_UNREADABLE, ERR_PKI_KEY_ALGORITHM, ERR_PKI_VALIDITY, ERR_PKI_ISSUER_NOT_VALID,
 * ERR_PKI_PATH_LENGTH
 */
export async function signAuthorityRequest(
  root: CertificateAuthority,
  csr: string | Uint8Array,
  options: AuthorityRequestOptions,
): Promise<AuthorityCertificate> {
  const { lineName, ...validity } = options;
  if (typeof lineName !== 'string') throw new TypeError('lineName must be a string.');
  const { publicKeyDer } = await readRequest(csr, (commonName) => {
    if (commonName === lineName) return;
    throw new PkiError(
      'ERR_PKI_CSR_SUBJECT',
      `The request is for ${JSON.stringify(commonName)}, expected line ${JSON.stringify(lineName)}: ` +
        'check where it came from, and make a new request with the right name.',
    );
  });
  const chain = await signLine(root, { ...validity, lineName, publicKeyDer });
  return { ...describeCertificate(chain[0]), chainPem: chainToPem(chain) };
}
