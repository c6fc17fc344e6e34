import type { AzureSession } from './azure-session.ts';
import { generateVerificationCode, getCaCertificate, putCaCertificate, verifyCaCertificate } from './ca-certificate.ts';
import type { CaCertificate, CaCertificateTarget } from './ca-certificate.ts';
import { readAuthority, readCertificate } from './certificate.ts';
import type { CertificateSummary } from './certificate.ts';
import { DpsAdminError, hasDpsAdminCode } from './errors.ts';

export interface RootCertificateOptions {
  readonly resourceGroup: string;
  readonly dpsName: string;
  /** Default `rootCA`. */
  readonly certificateName?: string;
  /** PEM text or DER bytes; never the key. */
  readonly certificatePem: string | Uint8Array;
  /**
   * Signs the proof: gets the verification code (48 hex digits) and returns a certificate whose common name is that code, signed by the
   * private key of `certificatePem`, as PEM text or DER bytes. What it throws is passed on as it is.
   */
  readonly signProof: (verificationCode: string) => Promise<string | Uint8Array>;
  /** Default false: another certificate under that name is an error. */
  readonly replace?: boolean;
  readonly onProgress?: (progress: RootCertificateProgress) => void;
  /** Default: the system's clock; for the certificate's expiry. */
  readonly now?: () => Date;
}

export interface RootCertificateProgress {
  /** `changed-meanwhile`: somebody else changed the certificate between two steps; it is read again. */
  readonly step: 'found' | 'uploaded' | 'code-received' | 'verified' | 'changed-meanwhile';
  readonly certificateName: string;
  /** ETag after the step. */
  readonly etag: string;
}

export interface VerifiedRoot {
  readonly name: string;
  readonly subject: string;
  /** SHA-1 of the DER, 40 hex digits, upper case. */
  readonly thumbprint: string;
  readonly etag: string;
  readonly isVerified: true;
  /** False when the same certificate was there and verified already. */
  readonly changed: boolean;
}

/** Somebody who keeps changing the certificate is not waited for longer. */
const mostAttempts = 5;

/**
 * Uploads a CA certificate to DPS and proves possession of its private key, each step with the ETag of the one before.
 *
 * May be stopped at any point and run again: the same certificate unverified gets its proof only, the same and verified is left alone.
 *
 * @throws {DpsAdminError} ERR_CERTIFICATE_INVALID: unreadable, not a CA, or expired; nothing was changed
 * @throws {DpsAdminError} ERR_CERTIFICATE_NAME_IN_USE: another certificate has that name and `replace` is not set; nothing was changed
 * @throws {DpsAdminError} ERR_PROOF_REJECTED: signed by another key or for another code; the certificate stays, unverified
 * @throws {DpsAdminError} ERR_ETAG_STALE: somebody else changed it five times in a row
 * @throws {DpsAdminError} ERR_DPS_NOT_FOUND, ERR_RESOURCE_GROUP_NOT_FOUND
 * @see RFC 5280 section 4.1.2.6; certificates API 2022-02-05 of Microsoft.Devices/provisioningServices
 */
export async function ensureRootCertificate(
  session: AzureSession,
  options: RootCertificateOptions,
): Promise<VerifiedRoot> {
  const { resourceGroup, dpsName, certificateName = 'rootCA', now = (): Date => new Date() } = options;
  const certificate = readAuthority(options.certificatePem, 'root certificate', now());
  const target = { resourceGroup, dpsName, certificateName };
  const run: Run = { session, target, certificate, options };
  for (let attemptsLeft = mostAttempts; ; attemptsLeft -= 1) {
    try {
      return await ensureOnce(run, attemptsLeft < mostAttempts);
    } catch (error) {
      if (attemptsLeft === 1 || !hasDpsAdminCode(error, 'ERR_ETAG_STALE', 'ERR_CERTIFICATE_NOT_FOUND')) throw error;
      options.onProgress?.({ step: 'changed-meanwhile', certificateName, etag: '' });
    }
  }
}

interface Run {
  readonly session: AzureSession;
  readonly target: CaCertificateTarget;
  readonly certificate: CertificateSummary;
  readonly options: RootCertificateOptions;
}

async function ensureOnce(run: Run, isRepeated: boolean): Promise<VerifiedRoot> {
  const { session, target, certificate, options } = run;
  const { certificateName } = target;
  const tell = (step: RootCertificateProgress['step'], etag: string): void =>
    options.onProgress?.({ step, certificateName, etag });
  const found = await getCaCertificate(session, target);
  if (found !== undefined) tell('found', found.etag);
  const isSame = found?.thumbprint === certificate.thumbprintSha1;
  if (found !== undefined && isSame && found.isVerified) return toVerifiedRoot(found, isRepeated);
  if (found !== undefined && !isSame && options.replace !== true) throw nameInUse(found, certificate, target);
  let etag = found?.etag;
  if (found === undefined || !isSame) {
    etag = (await putCaCertificate(session, target, { der: certificate.der, etag })).etag;
    tell('uploaded', etag);
  }
  const challenge = await generateVerificationCode(session, target, etag ?? '');
  tell('code-received', challenge.etag);
  const proof = readProof(await options.signProof(challenge.verificationCode), challenge.verificationCode, target);
  const verified = await verify(run, proof, challenge.etag);
  tell('verified', verified.etag);
  return toVerifiedRoot(verified, true);
}

async function verify(run: Run, proof: CertificateSummary, etag: string): Promise<CaCertificate> {
  const { session, target, certificate } = run;
  try {
    return await verifyCaCertificate(session, target, { proofDer: proof.der, etag });
  } catch (error) {
    if (!hasDpsAdminCode(error, 'ERR_PROOF_REJECTED')) throw error;
    const { httpStatus, azureCode, trackingId } = error;
    throw new DpsAdminError(
      'ERR_PROOF_REJECTED',
      `${error.message} The proof says that '${proof.issuerCommonName}' signed it; uploaded is '${certificate.commonName}' with thumbprint ${certificate.thumbprintSha1}.`,
      {
        advice: 'fix-input',
        ...(httpStatus === undefined ? {} : { httpStatus }),
        ...(azureCode === undefined ? {} : { azureCode }),
        ...(trackingId === undefined ? {} : { trackingId }),
        cause: error,
      },
    );
  }
}

function readProof(
  proof: string | Uint8Array,
  code: string,
  { certificateName }: CaCertificateTarget,
): CertificateSummary {
  const read = readCertificate(proof, 'proof-of-possession certificate');
  if (read.commonName === code) return read;
  throw new DpsAdminError(
    'ERR_PROOF_REJECTED',
    `The proof for CA certificate '${certificateName}' was not sent: its common name is '${read.commonName}', expected is the verification code '${code}'. Make the proof for the code that signProof is called with.`,
    { advice: 'fix-input' },
  );
}

function nameInUse(found: CaCertificate, certificate: CertificateSummary, target: CaCertificateTarget): DpsAdminError {
  return new DpsAdminError(
    'ERR_CERTIFICATE_NAME_IN_USE',
    `DPS instance '${target.dpsName}' has another CA certificate named '${target.certificateName}': '${found.subject}' with thumbprint ${found.thumbprint}; given is '${certificate.commonName}' with ${certificate.thumbprintSha1}. Use another name, or ask for it to be replaced (devices below the old one are then refused).`,
    { advice: 'fix-input' },
  );
}

function toVerifiedRoot({ name, subject, thumbprint, etag }: CaCertificate, changed: boolean): VerifiedRoot {
  return { name, subject, thumbprint, etag, isVerified: true, changed };
}
