import type { CertificateResponse } from '@azure/arm-deviceprovisioningservices';
import type { AzureSession } from './azure-session.ts';
import { hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import { attempt } from './transport/attempt.ts';
import type { Task } from './transport/attempt.ts';

/** A CA certificate that was uploaded to a DPS instance. */
export interface CaCertificate {
  readonly name: string;
  /** Common name of its subject (Azure leaves out `CN=` since 2021). */
  readonly subject: string;
  /** SHA-1 of the DER, 40 hex digits, upper case. */
  readonly thumbprint: string;
  /** Whether possession of its private key was proved; devices below it are refused until then. */
  readonly isVerified: boolean;
  /** Changes at every step; as it stands, in base64. */
  readonly etag: string;
  /** ISO 8601; undefined where Azure does not say. */
  readonly expiresAt: string | undefined;
}

export interface CaCertificateTarget {
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly certificateName: string;
}

/**
 * Undefined where the instance has no certificate of that name.
 *
 * @throws {DpsAdminError} ERR_DPS_NOT_FOUND, ERR_RESOURCE_GROUP_NOT_FOUND
 */
export async function getCaCertificate(
  session: AzureSession,
  target: CaCertificateTarget,
): Promise<CaCertificate | undefined> {
  checkTarget(target);
  const { resourceGroup, dpsName, certificateName } = target;
  try {
    const found = await attempt(task('read', target), () =>
      session.iotDps.dpsCertificate.get(certificateName, resourceGroup, dpsName),
    );
    return toCaCertificate(found);
  } catch (error) {
    if (hasDpsAdminCode(error, 'ERR_CERTIFICATE_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** @throws {DpsAdminError} ERR_DPS_NOT_FOUND, ERR_RESOURCE_GROUP_NOT_FOUND */
export async function listCaCertificates(
  session: AzureSession,
  { resourceGroup, dpsName }: Omit<CaCertificateTarget, 'certificateName'>,
): Promise<readonly CaCertificate[]> {
  checkName('resourceGroup', resourceGroup);
  checkName('dpsName', dpsName);
  const found = await attempt(
    { doing: `list the CA certificates of DPS instance '${dpsName}'`, subject: 'certificate' },
    () => session.iotDps.dpsCertificate.list(resourceGroup, dpsName),
  );
  return (found.value ?? []).map(toCaCertificate);
}

/** Without an ETag the certificate has to be new. */
export async function putCaCertificate(
  session: AzureSession,
  target: CaCertificateTarget,
  { der, etag }: { readonly der: Uint8Array; readonly etag: string | undefined },
): Promise<CaCertificate> {
  const { resourceGroup, dpsName, certificateName } = target;
  const uploaded = await attempt(task('upload', target), () =>
    session.iotDps.dpsCertificate.createOrUpdate(
      resourceGroup,
      dpsName,
      certificateName,
      { properties: { certificate: der } },
      etag === undefined ? {} : { ifMatch: etag },
    ),
  );
  return toCaCertificate(uploaded);
}

export async function generateVerificationCode(
  session: AzureSession,
  target: CaCertificateTarget,
  etag: string,
): Promise<{ readonly verificationCode: string; readonly etag: string }> {
  const { resourceGroup, dpsName, certificateName } = target;
  const answer = await attempt(task('get a verification code for', target), () =>
    session.iotDps.dpsCertificate.generateVerificationCode(certificateName, etag, resourceGroup, dpsName),
  );
  return { verificationCode: answer.properties?.verificationCode ?? '', etag: answer.etag ?? '' };
}

export async function verifyCaCertificate(
  session: AzureSession,
  target: CaCertificateTarget,
  { proofDer, etag }: { readonly proofDer: Uint8Array; readonly etag: string },
): Promise<CaCertificate> {
  const { resourceGroup, dpsName, certificateName } = target;
  const verified = await attempt(task('verify', target), () =>
    session.iotDps.dpsCertificate.verifyCertificate(certificateName, etag, resourceGroup, dpsName, {
      certificate: Buffer.from(proofDer).toString('base64'),
    }),
  );
  return toCaCertificate(verified);
}

/**
 * True when the certificate was there and is deleted, false when there was none.
 *
 * @param etag - default: whatever is there is deleted
 * @throws {DpsAdminError} ERR_ETAG_STALE: it is not what the ETag was given for any more
 */
export async function deleteCaCertificate(
  session: AzureSession,
  target: CaCertificateTarget,
  etag?: string,
): Promise<boolean> {
  const current = await getCaCertificate(session, target);
  if (current === undefined) return false;
  const { resourceGroup, dpsName, certificateName } = target;
  await attempt(task('delete', target), () =>
    session.iotDps.dpsCertificate.delete(resourceGroup, etag ?? current.etag, dpsName, certificateName),
  );
  return true;
}

function checkTarget({ resourceGroup, dpsName, certificateName }: CaCertificateTarget): void {
  checkName('resourceGroup', resourceGroup);
  checkName('dpsName', dpsName);
  checkName('certificateName', certificateName);
}

function task(verb: string, { dpsName, certificateName }: CaCertificateTarget): Task {
  return { doing: `${verb} CA certificate '${certificateName}' of DPS instance '${dpsName}'`, subject: 'certificate' };
}

function toCaCertificate({ name, etag, properties }: CertificateResponse): CaCertificate {
  return {
    name: name ?? '',
    subject: (properties?.subject ?? '').replace(/^CN=/i, ''),
    thumbprint: (properties?.thumbprint ?? '').toUpperCase(),
    isVerified: properties?.isVerified === true,
    etag: etag ?? '',
    expiresAt: properties?.expiry?.toISOString(),
  };
}
