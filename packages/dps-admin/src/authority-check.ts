import type { AzureSession } from './azure-session.ts';
import { listCaCertificates } from './ca-certificate.ts';
import type { CaCertificate } from './ca-certificate.ts';
import type { CertificateSummary } from './certificate.ts';
import { DpsAdminError } from './errors.ts';

export interface AuthorityQuestion {
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly certificate: CertificateSummary | undefined;
  readonly caReference: string | undefined;
}

/**
 * A device's chain has to end at a CA certificate whose possession was proved; else DPS refuses the device with a bare 401002. DPS
 * does not give uploaded certificates back, so that the authority above a line is found by its common name.
 *
 * @throws {DpsAdminError} ERR_AUTHORITY_NOT_VERIFIED
 */
export async function checkAuthorityIsVerified(session: AzureSession, question: AuthorityQuestion): Promise<void> {
  const { resourceGroup, dpsName, certificate, caReference } = question;
  if (certificate === undefined && caReference === undefined) return;
  const uploaded = await listCaCertificates(session, { resourceGroup, dpsName });
  const candidates = uploaded.filter((authority) =>
    certificate === undefined ? authority.name === caReference : isAbove(authority, certificate),
  );
  if (candidates.some(({ isVerified }) => isVerified)) return;
  throw notVerified(question, candidates[0]);
}

/** The line's own certificate may be uploaded and verified as well: the chain may then stop there. */
function isAbove(authority: CaCertificate, certificate: CertificateSummary): boolean {
  return authority.subject === certificate.issuerCommonName || authority.thumbprint === certificate.thumbprintSha1;
}

function notVerified(
  { dpsName, certificate, caReference }: AuthorityQuestion,
  found: CaCertificate | undefined,
): DpsAdminError {
  const authority =
    certificate === undefined
      ? `CA certificate '${caReference ?? ''}'`
      : `'${certificate.issuerCommonName}', which signed '${certificate.commonName}',`;
  const what =
    found === undefined
      ? `${authority} is not uploaded to DPS instance '${dpsName}'. Upload it and prove possession of its key`
      : `${authority} is uploaded to DPS instance '${dpsName}' as '${found.name}', but not verified. Prove possession of its key`;
  return new DpsAdminError(
    'ERR_AUTHORITY_NOT_VERIFIED',
    `${what} first (ensureRootCertificate): DPS refuses devices below it until then. The enrollment group was not touched.`,
    { advice: 'fix-azure' },
  );
}
