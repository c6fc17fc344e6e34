import type { AzureSession } from './azure-session.ts';
import { checkAuthorityIsVerified } from './authority-check.ts';
import { readAuthority } from './certificate.ts';
import type { CertificateSummary } from './certificate.ts';
import { changedSettings, readSettings, withSettings } from './enrollment-document.ts';
import type { StoredSettings } from './enrollment-document.ts';
import { checkSettings } from './enrollment-settings.ts';
import type { EnrollmentSettings } from './enrollment-settings.ts';
import { DpsAdminError, hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import type { Task } from './transport/attempt.ts';
import { readRecord, readText } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';
import { deleteItem, getItem, putItem, queryItems } from './provisioning-service-api.ts';
import { isAttestedBy, readAttestation, withSigningCertificates } from './x509-attestation.ts';
import type { SigningCertificates, StoredAttestation } from './x509-attestation.ts';

export interface EnrollmentGroupTarget {
  readonly dpsName: string;
  /** 1 to 128 letters, digits, `-`, `.`, `_`, `:`. */
  readonly enrollmentGroupId: string;
}

/** A group as DPS has it. */
export interface EnrollmentGroup extends StoredSettings {
  readonly enrollmentGroupId: string;
  /** Changes with every write; as it stands, in base64. */
  readonly etag: string;
  readonly attestation: StoredAttestation;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
}

/** Which devices belong to the group: give `certificatePem` or `caReference`; on a group that exists both may be left out. */
export interface GroupAttestation {
  /** Certificate of the line's authority, PEM or DER: every device below it belongs to the group. */
  readonly certificatePem?: string | Uint8Array;
  /**
   * Certificate of a second line whose devices belong to the group too, PEM or DER: for the time in which one line follows
   * another. `null` takes it out; left out, it stays as it is. Not together with `caReference`.
   */
  readonly secondaryCertificatePem?: string | Uint8Array | null;
  /** Name of a CA certificate that was uploaded to the instance. */
  readonly caReference?: string;
}

export interface EnrollmentGroupOptions extends EnrollmentGroupTarget, EnrollmentSettings, GroupAttestation {
  /**
   * The instance's resource group. With it Resource Manager is asked first whether the authority above the line is uploaded and
   * verified; without it this is left out, because an identity with rights on the service API alone may not ask.
   */
  readonly resourceGroup?: string;
  /** Change the group only while it has this ETag. */
  readonly etag?: string;
  /** Default: the system's clock; for the certificate's expiry. */
  readonly now?: () => Date;
}

export interface EnrollmentGroupResult {
  readonly outcome: 'created' | 'recreated' | 'changed' | 'unchanged';
  /** What was changed in place: names of settings, and `attestation`. */
  readonly changes: readonly string[];
  readonly group: EnrollmentGroup;
}

/** Undefined where the instance has no such group. */
export async function getEnrollmentGroup(
  session: AzureSession,
  target: EnrollmentGroupTarget,
): Promise<EnrollmentGroup | undefined> {
  checkTarget(target);
  const document = await getItem(session, request('read', target));
  return document === undefined ? undefined : readGroup(document);
}

export async function listEnrollmentGroups(
  session: AzureSession,
  dpsName: string,
): Promise<readonly EnrollmentGroup[]> {
  checkName('dpsName', dpsName);
  const documents = await queryItems(session, {
    task: { doing: `list the enrollment groups of DPS instance '${dpsName}'`, subject: 'enrollment-group' },
    dpsName,
    path: ['enrollmentGroups', 'query'],
    query: 'SELECT * FROM enrollmentGroups',
  });
  return documents.map(readGroup);
}

/**
 * Creates a group that must not exist yet.
 *
 * @param options.force - true: an existing group is deleted first, as the reference sample does; its devices are refused in between
 * @throws {DpsAdminError} ERR_ENROLLMENT_GROUP_EXISTS; nothing was changed
 * @throws {DpsAdminError} ERR_AUTHORITY_NOT_VERIFIED, ERR_CERTIFICATE_INVALID, ERR_INVALID_INPUT: before anything was changed
 */
export async function createEnrollmentGroup(
  session: AzureSession,
  options: EnrollmentGroupOptions & { readonly force?: boolean },
): Promise<EnrollmentGroupResult> {
  const wanted = await readWanted(session, options);
  const wasThere = options.force === true && (await deleteEnrollmentGroup(session, options));
  const group = await create(session, wanted);
  return { outcome: wasThere ? 'recreated' : 'created', changes: [], group };
}

/**
 * Brings a group to the given settings: created where there is none, changed in place (by ETag) where it differs, else left alone.
 *
 * Without `etag` a change by somebody else in between is read again, five times at most.
 *
 * @param options.recreate - true: as `createEnrollmentGroup` with `force`
 * @throws {DpsAdminError} ERR_AUTHORITY_NOT_VERIFIED, ERR_CERTIFICATE_INVALID, ERR_INVALID_INPUT: before anything was changed
 * @throws {DpsAdminError} ERR_ETAG_STALE: the group does not have the given ETag any more
 * @throws {DpsAdminError} ERR_ENROLLMENT_GROUP_NOT_FOUND: an ETag was given, and the group is gone
 */
export async function ensureEnrollmentGroup(
  session: AzureSession,
  options: EnrollmentGroupOptions & { readonly recreate?: boolean },
): Promise<EnrollmentGroupResult> {
  if (options.recreate === true) return createEnrollmentGroup(session, { ...options, force: true });
  return bringTo(session, await readWanted(session, options), options.etag === undefined);
}

/**
 * Changes a group that exists, for example `{ provisioningStatus: 'disabled' }` to stop all its devices from registering.
 *
 * @throws {DpsAdminError} ERR_ENROLLMENT_GROUP_NOT_FOUND
 * @throws {DpsAdminError} as `ensureEnrollmentGroup`
 */
export async function updateEnrollmentGroup(
  session: AzureSession,
  options: EnrollmentGroupOptions,
): Promise<EnrollmentGroupResult> {
  return bringTo(session, await readWanted(session, options), false);
}

/**
 * True when the group was there and is deleted, false when there was none. Registration records of its devices stay, and count
 * against the instance's quota.
 *
 * @param target.etag - delete it only while it has this ETag
 * @throws {DpsAdminError} ERR_ETAG_STALE
 */
export async function deleteEnrollmentGroup(
  session: AzureSession,
  target: EnrollmentGroupTarget & { readonly etag?: string },
): Promise<boolean> {
  checkTarget(target);
  return deleteItem(session, { ...request('delete', target), etag: target.etag });
}

/** Checked options, with the certificates read. */
interface Wanted {
  readonly options: EnrollmentGroupOptions;
  readonly certificates: SigningCertificates;
}

async function readWanted(session: AzureSession, options: EnrollmentGroupOptions): Promise<Wanted> {
  checkTarget(options);
  checkSettings(options);
  const { certificatePem, secondaryCertificatePem, caReference, resourceGroup, dpsName } = options;
  const now = options.now?.() ?? new Date();
  if (caReference !== undefined && (certificatePem ?? secondaryCertificatePem) !== undefined) {
    throw new DpsAdminError(
      'ERR_INVALID_INPUT',
      'Give either certificatePem (and secondaryCertificatePem) or caReference, not both. Nothing was sent.',
      { advice: 'fix-input' },
    );
  }
  if (caReference !== undefined) checkName('certificateName', caReference);
  const read = (given: string | Uint8Array | undefined, title: string): CertificateSummary | undefined =>
    given === undefined ? undefined : readAuthority(given, title, now);
  const primary = read(certificatePem, 'line certificate');
  const secondary =
    secondaryCertificatePem === null ? null : read(secondaryCertificatePem, 'secondary line certificate');
  if (resourceGroup !== undefined) {
    for (const certificate of secondary ? [primary, secondary] : [primary])
      await checkAuthorityIsVerified(session, { resourceGroup, dpsName, certificate, caReference });
  }
  return { options, certificates: { primary, secondary } };
}

async function bringTo(session: AzureSession, wanted: Wanted, mayCreate: boolean): Promise<EnrollmentGroupResult> {
  const { options } = wanted;
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const document = await getItem(session, request('read', options));
    if (document === undefined && !mayCreate) throw notFound(options);
    try {
      return document === undefined
        ? { outcome: 'created', changes: [], group: await create(session, wanted) }
        : await change(session, wanted, document);
    } catch (error) {
      const isRace = hasDpsAdminCode(error, 'ERR_ETAG_STALE', 'ERR_ENROLLMENT_GROUP_EXISTS');
      if (attemptsLeft === 1 || options.etag !== undefined || !isRace) throw error;
    }
  }
}

async function create(session: AzureSession, { options, certificates }: Wanted): Promise<EnrollmentGroup> {
  const { enrollmentGroupId, caReference } = options;
  if (certificates.primary === undefined && caReference === undefined) {
    throw new DpsAdminError(
      'ERR_INVALID_INPUT',
      `Enrollment group '${enrollmentGroupId}' does not exist: to create it, give the line's certificate (certificatePem) or the name of an uploaded one (caReference).`,
      { advice: 'fix-input' },
    );
  }
  const attestation = attestationOf({ options, certificates }, undefined);
  const body = withSettings({ enrollmentGroupId, attestation, provisioningStatus: 'enabled' }, options);
  return readGroup(await putItem(session, { ...request('create', options), body, etag: undefined }));
}

async function change(session: AzureSession, wanted: Wanted, document: JsonRecord): Promise<EnrollmentGroupResult> {
  const { options, certificates } = wanted;
  const stored = readGroup(document);
  const isSameAuthority =
    options.caReference === undefined
      ? isAttestedBy(stored.attestation, certificates)
      : stored.attestation.type === 'x509-ca-reference' && stored.attestation.primary === options.caReference;
  const changes = [...changedSettings(stored, options), ...(isSameAuthority ? [] : ['attestation'])];
  if (changes.length === 0) return { outcome: 'unchanged', changes, group: stored };
  const kept = isSameAuthority ? document : { ...document, attestation: attestationOf(wanted, document) };
  const group = await putItem(session, {
    ...request('change', options),
    body: withSettings(kept, options),
    etag: options.etag ?? stored.etag,
  });
  return { outcome: 'changed', changes, group: readGroup(group) };
}

function attestationOf({ options, certificates }: Wanted, document: JsonRecord | undefined): JsonRecord {
  const { caReference } = options;
  return caReference === undefined
    ? withSigningCertificates(document?.attestation, certificates)
    : { type: 'x509', x509: { caReferences: { primary: caReference } } };
}

function readGroup(document: JsonRecord): EnrollmentGroup {
  return {
    enrollmentGroupId: readText(document.enrollmentGroupId) ?? '',
    etag: readText(document.etag) ?? '',
    attestation: readAttestation(readRecord(document)),
    createdAt: readText(document.createdDateTimeUtc) ?? '',
    lastUpdatedAt: readText(document.lastUpdatedDateTimeUtc) ?? '',
    ...readSettings(document),
  };
}

function checkTarget({ dpsName, enrollmentGroupId }: EnrollmentGroupTarget): void {
  checkName('dpsName', dpsName);
  checkName('enrollmentGroupId', enrollmentGroupId);
}

function request(
  verb: string,
  { dpsName, enrollmentGroupId }: EnrollmentGroupTarget,
): { task: Task; dpsName: string; path: string[] } {
  return {
    task: {
      doing: `${verb} enrollment group '${enrollmentGroupId}' of DPS instance '${dpsName}'`,
      subject: 'enrollment-group',
    },
    dpsName,
    path: ['enrollmentGroups', enrollmentGroupId],
  };
}

function notFound({ dpsName, enrollmentGroupId }: EnrollmentGroupTarget): DpsAdminError {
  return new DpsAdminError(
    'ERR_ENROLLMENT_GROUP_NOT_FOUND',
    `DPS instance '${dpsName}' has no enrollment group '${enrollmentGroupId}': there is nothing to change. Check the ID, or create the group.`,
    { advice: 'fix-input', httpStatus: 404 },
  );
}
